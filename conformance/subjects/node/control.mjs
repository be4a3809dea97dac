// The commands from standard input. A thread of its own reads them, and passes on what only this one can do.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { Server } from 'reactor-engine';

import { call } from './calls.mjs';
import { attempt, outcome, reply, turn } from './report.mjs';
import { plain } from './text.mjs';

/** It begins while this thread does, and keeps nobody alive until it has something to do. */
const reader = new Worker(new URL('commands.mjs', import.meta.url), { workerData: { turn } });
reader.unref();
const isReady = once(reader, 'message');

/** The thread that reads commands has loaded what it needs. */
export async function prepare() {
  reader.ref();
  await isReady;
  reader.unref();
}

/** Makes a call so many times: how often each result came. */
async function threads(scene, rest) {
  const [count, times, ...words] = rest.split(' ');
  const tally = {};
  for (let thread = 0; thread < Number(count); thread += 1) {
    for (let at = 0; at < Number(times); at += 1) {
      const line = words.join(' ').replaceAll('%t', thread).replaceAll('%n', at);
      const result = plain(await outcome(() => call(scene, line)));
      tally[result] = (tally[result] ?? 0) + 1;
    }
  }
  return tally;
}

async function cycles(_, count) {
  for (let at = 0; at < Number(count); at += 1) {
    const server = new Server({}, { loops: 1 });
    server.listen('tcp://127.0.0.1:0');
    await server.start();
    await server.stop();
  }
  return 'ok';
}

const COMMANDS = {
  stop: (scene) => call(scene, 'server stop'),
  // No command is read before the end, which a connection asks for.
  wait: ({ server }) => server.wait().then(() => 'ok'),
  call,
  threads,
  cycles,
  stats: ({ server }) => ({ connections: server.connections, queued: server.queuedBytes }),
  listen: ({ server }, url) => server.listen(url),
};

/** Carries out what is passed on, until standard input ends, which stops the server. `start` starts it. */
export async function control(scene, start) {
  const begin = () => start().then(() => 'ok');
  const commands = { ...COMMANDS, start: begin };
  reader.on('message', async ({ command, name, rest }) => {
    const carryOut = command === 'call server start' ? begin : commands[name];
    reply(command, await attempt(() => carryOut(scene, rest)));
    reader.postMessage('done');
  });
  reader.ref();
  reader.postMessage(scene.server.handle);
  await once(reader, 'exit');
  await scene.server.stop();
  await scene.world.end();
}
