// What the tests of reactor-engine/net share: each row of what was measured of node:net is one body, run with ours and with Node's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import node from 'node:net';
import { test } from 'node:test';

import ours from 'reactor-engine/net';

import { isInline } from './support.mjs';

if (!isInline) ours.setEngineMode('threads');

export { ours };

const version = Number(process.versions.node.split('.')[0]);

/**
 * A test of both, or of ours alone where Node's, of this version, does something else: the words say what.
 * @param {string} title
 * @param {(t: import('node:test').TestContext, net: typeof node, isOurs: boolean) => Promise<void>} body
 * @param {{ since?: number, differs?: string }} [where] Node's does so since a version; or never, and does what instead
 */
export function both(title, body, { since = 0, differs } = {}) {
  test(`${title} (ours${differs ? `; Node's: ${differs}` : ''})`, (t) => body(t, ours, true));
  if (!differs && version >= since) test(`${title} (Node's)`, (t) => body(t, node, false));
}

/** A server that listens, and is closed with all its sockets when the test is over. */
export async function listen(t, net, options = {}, ...place) {
  const server = net.createServer(options);
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    // The tests look at what came before.
    socket.on('error', () => {});
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) server.close();
  });
  server.listen(...(place.length > 0 ? place : [0, '127.0.0.1']));
  await once(server, 'listening');
  return server;
}

/** Two ends: the client's, and that of the server. */
export async function pair(t, net, { ofServer = {}, ofClient = {}, path } = {}) {
  const server = await listen(t, net, ofServer, ...(path ? [path] : []));
  const client = net.connect({ ...(path ? { path } : { port: server.address().port, host: '127.0.0.1' }), ...ofClient });
  t.after(() => client.destroy());
  const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  return { server, client, peer };
}

/** The names of events, with what they were given, in the order in which they come. */
export function record(emitter, ...names) {
  const seen = [];
  for (const name of names) emitter.on(name, (...given) => seen.push([name, ...given.map(shown)].join(' ')));
  return seen;
}

/** @param {any} value */
const shown = (value) => value?.code ?? value?.message ?? String(value);

/** What the next event of that name brings. */
export async function until(emitter, name) {
  const [value] = await once(emitter, name);
  return value;
}

/** The close of a socket, with or without an error before it. */
export const close = (emitter) => new Promise((resolve) => emitter.once('close', resolve));

/** The error that an emitter emits. */
export const failure = (emitter) => new Promise((resolve) => emitter.once('error', resolve));

/** A turn of the event loop and more. */
export const pause = (milliseconds = 20) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until something is so. */
export async function eventually(isSo) {
  while (!isSo()) await pause(5);
}

/** What a callback is called with. */
export const called = (call) => new Promise((resolve) => call((...given) => resolve(given)));

/** All that a socket is sent. */
export async function all(socket) {
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A port that nobody listens at. */
export async function freePort(net = node) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await called((done) => server.close(done));
  return port;
}

export { assert };
