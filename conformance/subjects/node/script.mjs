// Scripts: what a callback does, one command after the other.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

import { Action, ConnId } from 'reactor-engine';

import { complain, emit, outcome, outcomeOf } from './report.mjs';

const NEWLINE = 10;
export const NOTHING = Buffer.alloc(0);

/** The bytes of `write N`. */
export function pattern(size) {
  const bytes = Buffer.alloc(Number(size) || 0);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = at % 251;
  return bytes;
}

/** Splits at the first blank. */
export function split(text) {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Blocks the thread, as a slow callback does. */
const sleep = (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));

/** A call of wait: it never blocks here, so that it goes on at once unless it is refused. */
const wait = (server) => Promise.race([outcomeOf(server.wait()), new Promise((resolve) => setImmediate(resolve, 'ok'))]);

/** Writes what a command writes; whether the connection takes it is not its business. */
const send = (conn, data) => void outcome(() => conn.write(data));

/** Commands that answer nothing, or the callback's action. */
const COMMANDS = {
  close: () => Action.Close,
  stop: () => Action.Stop,
  fail() {
    throw new Error('told to fail');
  },
  sink: ({ conn }) => void (conn.data.mode = 'sink'),
  'echo-on': ({ conn }) => void (conn.data.mode = 'echo'),
  sleep: (_, ms) => sleep(ms),
  block: (_, path) => closeSync(openSync(path)),
  'stop-call': ({ server }) => void server.stop(),
  'close-call': ({ conn }) => void outcome(() => conn.close()),
  hold: ({ conn }) => void outcome(() => conn.hold()),
  release: ({ conn }) => void outcome(() => conn.release()),
  echo: ({ conn }, text) => send(conn, `${text}\n`),
  id: ({ conn }) => send(conn, `${conn.id}\n`),
  write: ({ conn }, size) => send(conn, pattern(size)),
  writes({ conn }, shape) {
    const [count, size] = split(shape);
    const bytes = pattern(size);
    for (let i = 0; i < Number(count); i += 1) send(conn, bytes);
  },
  'note-write'({ conn }, text) {
    emit('note', { id: String(conn.id), text: outcome(() => conn.write(`${text}\n`)) });
  },
};

/** Calls on the server: their RESULT, or its promise. */
const CALLS = {
  to({ server }, rest) {
    const [id, text] = split(rest);
    return outcome(() => server.write(ConnId.parse(id), `${text}\n`));
  },
  'close-id': ({ server }, id) => outcome(() => server.close(ConnId.parse(id))),
  wait: ({ server }) => wait(server),
  start: ({ server }) => outcomeOf(server.start()),
  listen: ({ server }, url) => outcome(() => server.listen(url)),
  free: () => 'n/a',
  spawn() {
    const child = spawn('sleep', ['60']);
    child.kill();
    return new Promise((resolve) => child.on('exit', (_, signal) => resolve(`signal ${constants.signals[signal]}`)));
  },
};

/** Carries out one command. An action ends the callback; a promise is waited for before the next command. */
function obey(scene, line) {
  const [name, rest] = split(line);
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name](scene, rest);
  if (!Object.hasOwn(CALLS, name)) return complain(`unknown command "${line}"`);
  const result = CALLS[name](scene, rest);
  if (result instanceof Promise) return result.then((text) => send(scene.conn, `${text}\n`));
  return send(scene.conn, `${result}\n`);
}

/** Carries out `;`-separated commands until one ends the callback. */
export function play(scene, script) {
  return perform(scene, script.split(';').map((command) => command.trim()).filter(Boolean));
}

function perform(scene, [command, ...others]) {
  if (command === undefined) return undefined;
  const answer = obey(scene, command);
  if (answer instanceof Promise) return answer.then(() => perform(scene, others));
  return answer ?? perform(scene, others);
}

/** Takes a connection's input: as commands until one says otherwise. */
export function take(scene, data) {
  const { conn } = scene;
  const { partial } = conn.data;
  conn.data.partial = NOTHING;
  let rest = partial.length > 0 ? Buffer.concat([partial, data]) : data;
  while (conn.data.mode === 'script') {
    const end = rest.indexOf(NEWLINE);
    if (end < 0) {
      // Of nothing no memory is kept.
      conn.data.partial = rest.length > 0 ? rest : NOTHING;
      return undefined;
    }
    const answer = obey(scene, rest.toString('utf8', 0, end));
    rest = rest.subarray(end + 1);
    if (answer instanceof Promise) return answer.then(() => take(scene, rest));
    if (answer !== undefined) return answer;
  }
  if (conn.data.mode === 'echo' && rest.length > 0) send(conn, rest);
  return undefined;
}
