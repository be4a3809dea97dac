// Calls from several threads at once.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { turn } from './report.mjs';

/** Makes a call so many times on each of so many threads: how often each result came. */
export async function threads(handle, count, times, line) {
  const call = async (_, thread) => {
    const workerData = { turn, handle, thread, times, line };
    const made = new Worker(new URL('caller.mjs', import.meta.url), { workerData });
    const [[tally]] = await Promise.all([once(made, 'message'), once(made, 'exit')]);
    return Object.entries(tally);
  };
  const sum = {};
  for (const [result, often] of (await Promise.all(Array.from({ length: count }, call))).flat()) sum[result] = (sum[result] ?? 0) + often;
  return sum;
}
