// One of the threads that make the same call many times.
import { parentPort, workerData } from 'node:worker_threads';

import { ServerHandle } from 'reactor-engine';

import { call } from './calls.mjs';
import { outcome } from './report.mjs';
import { plain } from './text.mjs';

const { handle, thread, times, line } = workerData;
const server = ServerHandle.from(handle);
const tally = {};
for (let at = 0; at < times; at += 1) {
  const result = plain(outcome(() => call({ server }, line.replaceAll('%t', thread).replaceAll('%n', at))));
  tally[result] = (tally[result] ?? 0) + 1;
}
parentPort.postMessage(tally);
