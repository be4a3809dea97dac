// The thread that reads the commands. It makes those calls itself that any thread can make, also while a callback blocks.
import { once } from 'node:events';
import { readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { parentPort } from 'node:worker_threads';

import { ServerHandle } from 'reactor-engine';

import { isForAnyThread } from './any_thread.mjs';
import { call as make } from './calls.mjs';
import { attempt, complain, reply } from './report.mjs';
import { split } from './text.mjs';
import { threads } from './threads.mjs';

/** The lines of standard input. Node would have the main thread read it. */
function* lines() {
  const [buffer, decoder] = [Buffer.alloc(1 << 16), new StringDecoder()];
  let rest = '';
  for (let count = readSync(0, buffer); count > 0; count = readSync(0, buffer)) {
    const found = (rest + decoder.write(buffer.subarray(0, count))).split('\n');
    rest = found.pop();
    yield* found;
  }
}

/** What the main thread carries out, and replies to. */
async function passOn(command, name, rest) {
  parentPort.postMessage({ command, name, rest });
  await once(parentPort, 'message');
}

/** Makes a call by the handle. */
const call = (handle, line) => make({ server: ServerHandle.from(handle) }, line);

/** Makes a call here, if any thread can, or has it made. */
async function obeyCall(handle, command, line) {
  if (!isForAnyThread(line)) return passOn(command, 'call', line);
  const made = await attempt(() => call(handle, line));
  // A server that is over answers its own thread alone.
  return made.result === 'STOPPED' ? passOn(command, 'call', line) : reply(command, made);
}

const ofConn = (name) => (handle, command, rest) => {
  const [id, text] = split(rest);
  return obeyCall(handle, command, `${id} ${name} ${text}`);
};

/** Several writes. So many threads are too many for JavaScript, where each has a machine of its own. */
async function burst(handle, command, rest) {
  const [id, count, size] = rest.split(' ');
  const results = [];
  for (let at = 0; at < Number(count); at += 1) results.push((await attempt(() => call(handle, `${id} write ${size}`))).result);
  return reply(command, { result: results.join(' ') });
}

async function fromThreads(handle, command, rest) {
  const [count, times, ...words] = rest.split(' ');
  const line = words.join(' ');
  if (!isForAnyThread(line)) return passOn(command, 'threads', rest);
  return reply(command, await attempt(() => threads(handle, Number(count), Number(times), line)));
}

const COMMANDS = {
  ...Object.fromEntries(['write', 'text', 'close', 'hold', 'release'].map((name) => [name, ofConn(name)])),
  call: obeyCall,
  burst,
  threads: fromThreads,
};
for (const name of ['start', 'wait', 'stop', 'cycles', 'stats', 'listen']) COMMANDS[name] = (_, command, rest) => passOn(command, name, rest);

// All is loaded: later there may be no descriptors for it, or its memory would be taken for the server's.
parentPort.postMessage('ready');
const [handle] = await once(parentPort, 'message');
for (const command of lines()) {
  const [name, rest] = split(command);
  if (Object.hasOwn(COMMANDS, name)) await COMMANDS[name](handle, command, rest);
  else complain(`unknown command "${command}"`);
}
