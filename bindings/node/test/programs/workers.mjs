// A program for workers.test.mjs: Workers with a busy server of the mode that is named, each of which ends in one of four ways.
import { readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { Worker, parentPort, workerData } from 'node:worker_threads';

import { Server } from 'reactor-engine';

const WAYS = ['terminate', 'exit', 'throw', 'unref'];
const EACH = 6;

/** What a Worker does when it is told to end, but for `terminate`, which is done to it. */
const END = {
  terminate: () => {},
  exit: () => process.exit(3),
  throw: () => process.nextTick(() => { throw new Error('on purpose'); }),
  unref: (server) => void server.unref(),
};

/** A server that ends its Worker within a callback, when somebody says so. */
async function serve({ way, mode }) {
  const server = new Server({
    onData(conn, data) {
      if (data.includes('!')) END[way](server);
      conn.write(data);
    },
    onError: () => {},
  }, mode === 'inline' ? { mode } : { mode, loops: 2 });
  const url = server.listen('tcp://127.0.0.1:0');
  await server.start();
  parentPort.postMessage(Number(url.split(':').pop()));
}

/** Clients that are answered all the time, until their server has gone; resolves when all are closed. */
function flood(port, text) {
  return Array.from({ length: 4 }, (_, index) => new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(index === 0 ? text : 'x'.repeat(50_000)));
    socket.on('data', (data) => socket.write(data.toString('latin1').replaceAll('!', '.')));
    socket.on('error', () => {}).on('close', resolve);
  }));
}

/** The descriptors of this process, by what they are; Node's own threads keep some for later. */
function descriptors() {
  const counts = {};
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const kind = readlinkSync(`/proc/self/fd/${name}`).replace(/:?\[?\d+\]?$/, '');
      counts[kind] = (counts[kind] ?? 0) + 1;
    } catch {
      // That of the listing itself.
    }
  }
  return counts;
}

async function round(way) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { way, mode: process.argv[2] }, stderr: true });
  worker.on('error', () => {});
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const port = await new Promise((resolve) => worker.once('message', resolve));
  // All the clients see their connection end.
  const clients = flood(port, way === 'terminate' ? 'x' : 'x!');
  if (way === 'terminate') setTimeout(() => void worker.terminate(), 20);
  const code = await ended;
  await Promise.all(clients);
  return code;
}

if (workerData) {
  await serve(workerData);
} else {
  // What a first Worker sets up in the process stays.
  for (const way of WAYS) await round(way);
  const before = descriptors();
  const ends = WAYS.flatMap((way) => Array.from({ length: EACH }, () => way));
  const codes = {};
  await Promise.all(ends.map(async (way) => (codes[way] ??= new Set()).add(await round(way))));
  for (const way of WAYS) console.log(`${way}: ${[...codes[way]]}`);
  const after = descriptors();
  const more = Object.keys(after).filter((kind) => after[kind] > (before[kind] ?? 0));
  console.log(`left: ${more.map((kind) => `${after[kind] - (before[kind] ?? 0)} ${kind}`).join(', ')}`);
}
