// What the tests share.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { Server } from 'reactor-engine';

/** A URL of this process's own in the kernel's choice of port. */
export const LOOPBACK = 'tcp://127.0.0.1:0';

/** Servers run inline, as scripts/test.cjs has it: see inline.cjs. */
export const isInline = process.env.REACTOR_TEST_MODE === 'inline';

/** The loops that a server has of those that a test asks for. */
export const loopsOf = (asked) => (isInline ? 1 : asked);

/** The options of a server that is made without `Server`, which inline.cjs changes. */
export const ONE_LOOP = { loops: 1, mode: isInline ? 'inline' : 'threads' };

const PACKAGE = fileURLToPath(import.meta.resolve('reactor-engine'));

/** A Worker of this source, which has the package and what is given; it ends with the test. */
export function worker(t, source, data = {}) {
  const head = "const { parentPort, workerData } = require('node:worker_threads');\nconst reactor = require(workerData.package);\n";
  const made = new Worker(head + source, { eval: true, workerData: { package: PACKAGE, mode: process.env.REACTOR_TEST_MODE, ...data } });
  t.after(() => made.terminate());
  return made;
}

/** A folder that goes when the test is over. */
export function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A server that runs and is stopped when the test is over. */
export async function serve(t, handler, options = { loops: 1 }, url = LOOPBACK) {
  const server = new Server(handler, options);
  server.listen(url);
  await server.start();
  t.after(() => server.stop());
  return server;
}

/** Where a URL of the engine's leads, for node:net. */
export function target(url) {
  if (url.startsWith('unix://')) return { path: url.slice('unix://'.length) };
  const { hostname, port } = new URL(url.replace(/^tcp[46]?:/, 'http:'));
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** A connected client, destroyed when the test is over. */
export async function connect(t, server, index = 0) {
  const socket = net.connect({ ...target(server.addresses[index]), allowHalfOpen: true });
  t.after(() => socket.destroy());
  // A reset is the end, too; the tests look at what came before.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Everything until the end. */
export async function readAll(socket) {
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  if (!socket.closed && !socket.readableEnded) {
    await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
  }
  return Buffer.concat(chunks);
}

/** The next bytes, at least so many. */
export async function read(socket, length) {
  const chunks = [];
  let got = 0;
  while (got < length) {
    const chunk = socket.read() ?? (await once(socket, 'readable'), socket.read());
    if (chunk) {
      chunks.push(chunk);
      got += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

/** Takes the memory away from a buffer, and from all that share it, unless Node refuses that: Node 22 has a method that does it anyway. */
export function takeAway({ buffer }) {
  try {
    if (buffer.transfer) buffer.transfer();
    else structuredClone(buffer, { transfer: [buffer] });
  } catch (error) {
    if (error.name !== 'DataCloneError' && !/is not detachable/.test(error.message)) throw error;
  }
}

/** A promise and what settles it. */
export function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
