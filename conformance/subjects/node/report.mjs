// What the subject tells the runner.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** Whose turn it is to write a line: 1 while some thread does. All threads of the subject have it. */
export const turn = workerData?.turn ?? new Int32Array(new SharedArrayBuffer(4));

/** All callbacks come on the JavaScript thread; inline that is the process's own, which turns the loop. */
export const thread = process.argv.includes('--inline') ? process.pid : 0;

/** Writes an event with its members, at once, whatever other threads do. */
export function emit(event, members = {}) {
  const line = Buffer.from(`${JSON.stringify({ event, ...members })}\n`);
  while (Atomics.compareExchange(turn, 0, 0, 1) !== 0) Atomics.wait(turn, 0, 1);
  try {
    for (let at = 0; at < line.length;) at += writeSome(line, at);
  } finally {
    Atomics.store(turn, 0, 0);
    Atomics.notify(turn, 0);
  }
}

/** How much of it is written. Node has made the pipe one that does not block. */
function writeSome(line, at) {
  try {
    return writeSync(1, line, at);
  } catch ({ code }) {
    // A runner that is gone is told nothing.
    if (code === 'EPIPE') return line.length;
    if (code !== 'EAGAIN') throw new Error(`the output cannot be written to: ${code}`);
    Atomics.wait(turn, 0, 1, 1);
    return 0;
  }
}

/** Something that no case expects: for whoever reads the runner's output. */
export const complain = (message) => console.error(`subject.mjs: ${message}`);

/** What a result is of a call that may throw or reject: what the protocol calls RESULT, or what the call gives. */
export function outcome(call) {
  try {
    const result = call();
    return result instanceof Promise ? result.then(told, failed) : told(result);
  } catch (error) {
    return failed(error);
  }
}

/** Only a write answers false. */
const told = (result) => (result === false ? 'high' : result === true || result === undefined ? 'ok' : result);
const failed = (error) => error.code ?? String(error);

/** What a command comes to: its result, and what was wrong. */
export async function attempt(act) {
  try {
    return { result: await act(), message: null };
  } catch (error) {
    return { result: failed(error), message: error.message };
  }
}

/** Replies to a command: to a call, with what was wrong with it, too. */
export const reply = (command, { result, message }) => emit('reply', { command, result, ...(command.startsWith('call ') ? { message } : {}) });
