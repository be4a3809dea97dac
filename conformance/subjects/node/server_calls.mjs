// Calls on the server.
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';

import { Action, Server } from 'reactor-engine';

import { cancel } from './conn_calls.mjs';
import { cutBy } from './framings.mjs';
import { complain, emit, outcome, thread } from './report.mjs';
import { ofConnection, ofListener } from './terms.mjs';
import { split } from './text.mjs';

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What a listener is told as. */
const described = ({ listener, address }) => ({ listener, url: address });
const last = (server, count) => server.listeners.slice(server.listeners.length - count).map(described);

function listen(_, server, rest) {
  const [url, options] = split(rest);
  server.listen(url, ofListener(options));
  return last(server, 1)[0];
}

function listenInherited(_, server, rest) {
  const count = server.listenInherited(ofListener(rest)).length;
  return count === 0 ? [] : last(server, count);
}

function closeListener(_, server, rest) {
  const [number, refuse] = split(rest);
  return server.closeListener(Number(number), { refuse: refuse === 'refuse' }).then(() => 'ok');
}

function play(world, server, text, loop) {
  if (text === 'fail') throw new Error('told to fail');
  if (text === 'current-loop') return loop;
  return outcome(() => onServer(world, server, text));
}

function run(world, server, rest) {
  const [loop, text] = split(rest);
  server.runOnLoop(Number(loop), async (own) => {
    emit('ran', { id: null, call: text, result: await play(world, server, text, own), thread });
  });
  return 'ok';
}

function setTimer(world, server, rest) {
  const [delay, times] = split(rest);
  const [repeat, text] = split(times);
  const timer = server.setTimer(Number(delay), async (own) => {
    const result = text ? await play(world, server, text, null) : null;
    emit('timer', { id: null, timer: own.id, result, thread });
  }, Number(repeat));
  world.timers.set(timer.id, timer);
  return timer.id;
}

function metrics(_, server, loop) {
  const { closed, delay, ...counters } = loop ? server.metrics(Number(loop)) : server.metrics();
  const nanoseconds = (q) => Math.round(delay.percentile(q) * 1e6);
  return {
    ...Object.fromEntries(Object.entries(counters).map(([name, count]) => [snake(name), count])),
    closed,
    delay: { count: delay.count, p50: nanoseconds(0.5), p99: nanoseconds(0.99) },
  };
}

/** It never blocks here, so that it goes on at once unless it is refused. */
const wait = (_, server) => Promise.race([server.wait().then(() => 'ok'), new Promise((resolve) => setImmediate(resolve, 'ok'))]);

function stopGracefully(_, server, milliseconds) {
  void server.stopGracefully(Number(milliseconds));
  return 'ok';
}

/** Connects a socket of Node's, or opens a file that is none, and gives its descriptor to the engine. */
async function enroll(_, server, rest) {
  const [url, options] = split(rest);
  if (url === 'null') {
    const file = openSync('/dev/null');
    try {
      return String(server.enroll(file, ofOutgoing(options)).id);
    } finally {
      closeSync(file);
    }
  }
  const [, scheme, address] = url.match(/^(\w+):\/\/(.*)$/);
  if (address.startsWith('@')) return enrollOurs(server, url, options);
  const [, host, port] = address.match(/^\[?(.*?)\]?:(\d+)$/) ?? [];
  const socket = net.connect(scheme === 'unix' ? { path: address } : { host, port: Number(port) });
  // Node must not read from it.
  socket.pause();
  await once(socket, 'connect');
  try {
    return String(server.enroll(socket._handle.fd, ofOutgoing(options)).id);
  } finally {
    socket.destroy();
  }
}

/** The same with a socket that the engine has connected: Node 20 itself cannot connect to an abstract name. */
async function enrollOurs(server, url, options) {
  const connected = {};
  const taken = new Promise((resolve, reject) => Object.assign(connected, { resolve, reject }));
  const onDetach = (_, detached) => connected.resolve(detached.takeFd());
  const other = new Server({ onOpen: () => Action.Detach, onDetach, onClose: connected.reject }, { loops: 1 });
  await other.start();
  other.connect(url);
  const descriptor = await taken;
  try {
    return String(server.enroll(descriptor, ofOutgoing(options)).id);
  } finally {
    closeSync(descriptor);
    await other.stop();
  }
}

const CALLS = {
  listen,
  'listen-inherited': listenInherited,
  'close-listener': closeListener,
  listeners: (_, server) => server.listeners.map(described),
  endpoints: (_, server, number) => server.endpoints(Number(number)).map(String),
  connect(_, server, rest) {
    const [url, options] = split(rest);
    return String(server.connect(url, ofOutgoing(options)).id);
  },
  enroll,
  run,
  timer: setTimer,
  cancel: (world, _, number) => cancel(world, number),
  'current-loop': () => 'n/a',
  loops: (_, server) => server.loops,
  metrics,
  start: (_, server) => server.start().then(() => 'ok'),
  wait,
  stop: (_, server) => (void server.stop(), 'ok'),
  'stop-gracefully': stopGracefully,
  free: () => 'n/a',
};

/** What the subject knows of an outgoing connection rides in its context. */
function ofOutgoing(text) {
  const { context, ...options } = ofConnection(text);
  return { ...options, context: { context, framed: cutBy(options.framing), isOutgoing: true } };
}

/** Makes a call: its result, or a promise of it. */
export function onServer(world, server, line) {
  const [name, rest] = split(line);
  if (Object.hasOwn(CALLS, name)) return CALLS[name](world, server, rest);
  complain(`unknown call server ${line}`);
  return 'unknown';
}
