// Scripts: what a callback does, one command after the other.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

import { Action } from 'reactor-engine';

import { call } from './calls.mjs';
import { complain, emit, outcome } from './report.mjs';
import { pattern, plain, split } from './text.mjs';

const NEWLINE = 10;
export const NOTHING = Buffer.alloc(0);

/** Blocks the thread, as a slow callback does. */
const sleep = (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));

/** Writes what a command writes; whether the connection takes it is not its business. */
const send = (conn, data) => void outcome(() => conn.write(data));
const quietly = (line) => (scene) => void outcome(() => call(scene, line));
const mode = (name) => ({ conn }) => void (conn.data.mode = name);

/** Commands that answer nothing, or the callback's action. */
const COMMANDS = {
  close: () => Action.Close,
  stop: () => Action.Stop,
  detach: () => Action.Detach,
  fail() {
    throw new Error('told to fail');
  },
  sink: mode('sink'),
  'echo-on': mode('echo'),
  'data-on': mode('data'),
  sleep: (_, ms) => sleep(ms),
  block: (_, path) => closeSync(openSync(path)),
  'stop-call': quietly('server stop'),
  'close-call': quietly('self close'),
  hold: quietly('self hold'),
  release: quietly('self release'),
  echo: ({ conn }, text) => send(conn, `${text}\n`),
  id: ({ conn }) => send(conn, `${conn.id}\n`),
  write: ({ conn }, size) => send(conn, pattern(size)),
  writes({ conn }, shape) {
    const [count, size] = split(shape);
    const bytes = pattern(size);
    for (let i = 0; i < Number(count); i += 1) send(conn, bytes);
  },
  'note-write': (scene, text) => note(scene, `self text ${text}`),
  'note-call': note,
};

/** Makes a call and tells its result. */
function note(scene, line) {
  const told = (result) => emit('note', { id: String(scene.conn.id), text: plain(result) });
  const result = outcome(() => call(scene, line));
  return result instanceof Promise ? result.then(told) : told(result);
}

/** Commands whose result is written, as the call that they are. */
const CALLS = {
  call: (rest) => rest,
  to(rest) {
    const [id, text] = split(rest);
    return `${id} text ${text}`;
  },
  'close-id': (id) => `${id} close`,
  wait: () => 'server wait',
  start: () => 'server start',
  listen: (url) => `server listen ${url}`,
  free: () => 'server free',
};

function answer(scene, name, rest) {
  const told = (result) => send(scene.conn, `${name === 'listen' && result?.url ? 'ok' : plain(result)}\n`);
  const result = name === 'spawn' ? spawned() : outcome(() => call(scene, CALLS[name](rest)));
  return result instanceof Promise ? result.then(told) : told(result);
}

function spawned() {
  const child = spawn('sleep', ['60']);
  child.kill();
  return new Promise((resolve) => child.on('exit', (_, signal) => resolve(`signal ${constants.signals[signal]}`)));
}

/** Carries out one command. An action ends the callback; a promise is waited for before the next command. */
function obey(scene, line) {
  const [name, rest] = split(line);
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name](scene, rest);
  if (name === 'spawn' || Object.hasOwn(CALLS, name)) return answer(scene, name, rest);
  return complain(`unknown command "${line}"`);
}

/** Carries out `;`-separated commands until one ends the callback. */
export function play(scene, script) {
  return perform(scene, script.split(';').map((command) => command.trim()).filter(Boolean));
}

function perform(scene, [command, ...others]) {
  if (command === undefined) return undefined;
  const done = obey(scene, command);
  if (done instanceof Promise) return done.then(() => perform(scene, others));
  return done ?? perform(scene, others);
}

const isScript = ({ data }) => data.mode === 'script' || data.mode === 'keep';

/** Takes a connection's input: as commands until one says otherwise. */
export function take(scene, data) {
  const { conn } = scene;
  if (conn.data.framed) return takeFrame(scene, data);
  return takeStream(scene, data);
}

function takeFrame(scene, frame) {
  const { conn } = scene;
  const isCustom = conn.data.framed === 'custom';
  if (isScript(conn)) return obey(scene, frame.toString('utf8', isCustom ? frame.indexOf(':') + 1 : 0).trimEnd());
  if (conn.data.mode === 'echo') return void outcome(() => (isCustom ? conn.write(frame) : conn.writeFrame(frame)));
  return turnOver(conn, frame);
}

/** Takes the arguments of a command that `resp` has cut. */
export function takeCommand(scene, args) {
  const { conn } = scene;
  const line = args.map(String).join(' ');
  if (isScript(conn)) return obey(scene, line);
  if (conn.data.mode === 'data') return emit('data', { id: String(conn.id), arguments: args.map((arg) => arg.toString('hex')) });
  return turnOver(conn, Buffer.concat([...args.flatMap((arg, at) => (at ? [Buffer.from(' '), arg] : [arg])), Buffer.from('\r\n')]));
}

function takeStream(scene, data, isDatagram = false) {
  const { conn } = scene;
  const { partial } = conn.data;
  conn.data.partial = NOTHING;
  let rest = partial.length > 0 ? Buffer.concat([partial, data]) : data;
  while (isScript(conn)) {
    const end = rest.indexOf(NEWLINE);
    if (end < 0) return putAside(conn, rest);
    const done = obey(scene, rest.toString('utf8', 0, end));
    rest = rest.subarray(end + 1);
    if (done instanceof Promise) return done.then(() => takeStream(scene, rest, isDatagram));
    if (done !== undefined) return done;
  }
  return rest.length > 0 || isDatagram ? turnOver(conn, rest) : undefined;
}

/** Takes a datagram. */
export const takeDatagram = (scene, data) => takeStream(scene, data, true);

/** Leaves half a command to the engine, or remembers it. Of nothing no memory is kept. */
function putAside(conn, rest) {
  if (conn.data.mode === 'keep') conn.keep(rest.length);
  else if (rest.length > 0) conn.data.partial = rest;
}

/** What is no command. */
function turnOver(conn, data) {
  if (conn.data.mode === 'echo') send(conn, data);
  if (conn.data.mode === 'data') emit('data', { id: String(conn.id), hex: data.toString('hex') });
}
