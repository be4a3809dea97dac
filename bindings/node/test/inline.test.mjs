// B3: what is different when Node's own event loop drives a server. Everything else of it the other files show, in both modes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { Action, Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, read, readAll, serve, target } from './support.mjs';

const INLINE = { mode: 'inline' };

/** The names of the process's threads. */
const threads = () => readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim());

test('B3: there is no thread of the engine\'s, and the one loop can be told of', async (t) => {
  const server = await serve(t, { onData: (conn, data) => void conn.write(data) }, INLINE);
  const socket = await connect(t, server);
  socket.write('hello');
  assert.equal((await read(socket, 5)).toString(), 'hello');
  assert.deepEqual(threads().filter((name) => name.startsWith('reactor-')), []);
  assert.equal(server.loops, 1);
});

test('no callback comes inside a call of start, stop, write or close', async (t) => {
  let inside = false;
  const calls = [];
  const note = (name) => () => void calls.push(`${name}${inside ? ' inside' : ''}`);
  const call = (made) => {
    inside = true;
    const result = made();
    inside = false;
    return result;
  };
  const opened = deferred();
  const server = new Server({
    onStart: () => assert.equal(inside, true),
    onOpen: (conn) => (note('open')(), opened.resolve(conn)),
    onData: note('data'),
    onClose: note('close'),
    onStop: note('stop'),
  }, INLINE);
  server.listen(LOOPBACK);
  // The kernel has connected it, and it has sent, before the start.
  const socket = await connect(t, server);
  socket.write('early');
  await call(() => server.start());
  const conn = await opened.promise;
  while (!calls.includes('data')) await immediate();
  call(() => conn.write('x'));
  call(() => conn.close());
  const stopped = call(() => server.stop());
  assert.deepEqual(calls, ['open', 'data']);
  await stopped;
  assert.deepEqual(calls, ['open', 'data', 'close', 'stop']);
});

test('what a callback, its ticks and its microtasks write leaves together', async (t) => {
  const server = await serve(t, {
    onData(conn) {
      conn.write('a');
      process.nextTick(() => conn.write('b'));
      Promise.resolve().then(() => conn.write('c')).then(() => conn.write('d'));
    },
  }, INLINE);
  const socket = await connect(t, server);
  for (let round = 0; round < 20; round += 1) {
    socket.write('x');
    const [chunk] = await once(socket, 'data');
    assert.equal(chunk.toString(), 'abcd');
  }
});

test('what a tick of a callback throws is an uncaught exception, and the server lives on', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', `
    import { Server } from ${JSON.stringify(import.meta.resolve('reactor-engine'))};
    process.on('uncaughtException', (error) => console.log(error.message));
    const server = new Server({
      onData(conn, data) {
        if (String(data) === 'throw') process.nextTick(() => { throw new Error('in a tick'); });
        conn.write(data);
        if (String(data) === 'stop') void server.stop();
      },
    }, { mode: 'inline' });
    console.log(server.listen('${LOOPBACK}'));
    await server.start();
  `], { timeout: 20_000, killSignal: 'SIGKILL' });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  await once(child.stdout, 'data');
  const url = out.trim();
  const socket = await connect(t, { addresses: [url] });
  for (const text of ['throw', 'after', 'stop']) {
    socket.write(text);
    assert.equal((await read(socket, text.length)).toString(), text);
  }
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.equal(out, `${url}\nin a tick\n`);
});

/** Clients in a Worker, which send all the time what comes back, until it is terminated. */
async function flood(t, { addresses: [url] }) {
  const worker = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads');
    const net = require('node:net');
    for (let client = 0; client < 8; client += 1) {
      const socket = net.connect(workerData, () => socket.write(Buffer.alloc(40_000)));
      socket.on('data', (data) => socket.write(data));
      socket.on('error', () => {});
    }
  `, { eval: true, workerData: target(url), execArgv: [] });
  t.after(() => worker.terminate());
  await once(worker, 'online');
}

test('a server that is never done leaves Node its turns: timers, immediates and other sockets go on', async (t) => {
  let bytes = 0;
  const server = await serve(t, { onData: (conn, data) => (bytes += data.length, void conn.write(data)) }, INLINE);
  await flood(t, server);
  while (bytes < 1 << 20) await immediate();
  const other = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const socket = net.connect(other.address().port, '127.0.0.1');
  t.after(() => socket.destroy());
  for (let round = 0; round < 20; round += 1) {
    const before = bytes;
    socket.write('ping');
    assert.equal((await read(socket, 4)).toString(), 'ping');
    await new Promise((resolve) => setTimeout(resolve, 1));
    await immediate();
    while (bytes === before) await immediate();
  }
});

test('what waits for many turns is not read at a stretch: an immediate comes in between', async (t) => {
  const total = 2 << 20;
  const turns = deferred();
  let bytes = 0;
  const server = new Server({
    onData(conn, data) {
      // The kernel has all of it, so the engine could go on without a pause.
      if (bytes === 0) setImmediate(() => turns.resolve(bytes));
      bytes += data.length + 1;
    },
  }, { ...INLINE, readBudget: 1000 });
  server.listen(`${LOOPBACK}?framing=line`);
  const socket = await connect(t, server);
  await new Promise((resolve) => socket.write(`${'x'.repeat(1023)}\n`.repeat(total / 1024), resolve));
  await server.start();
  t.after(() => server.stop());
  assert.ok((await turns.promise) < total / 2);
  while (bytes < total) await immediate();
});

test('a server is started and stopped within a callback of another', async (t) => {
  const events = [];
  const second = deferred();
  const first = await serve(t, {
    async onData(conn) {
      const inner = new Server({ onOpen: () => void events.push('open'), onStop: () => void events.push('stop') }, INLINE);
      inner.listen(LOOPBACK);
      const socket = net.connect(target(inner.addresses[0]));
      await inner.start();
      while (!events.includes('open')) await immediate();
      await inner.stop();
      socket.destroy();
      conn.write('done');
      second.resolve();
    },
  }, INLINE);
  const socket = await connect(t, first);
  socket.write('x');
  assert.equal((await read(socket, 4)).toString(), 'done');
  await second.promise;
  assert.deepEqual(events, ['open', 'stop']);
});

test('with reuseport several Workers serve one port, each by itself', async (t) => {
  const source = `
    const { parentPort, threadId, workerData } = require('node:worker_threads');
    const { Server } = require(workerData.package);
    const server = new Server({ onOpen: (conn) => void conn.write(String(threadId)) }, { mode: 'inline' });
    const url = server.listen(workerData.url + '?reuseport=true');
    server.start().then(() => parentPort.postMessage(url));
  `;
  const lib = fileURLToPath(import.meta.resolve('reactor-engine'));
  let url = LOOPBACK;
  const ids = new Set();
  for (let count = 0; count < 3; count += 1) {
    const worker = new Worker(source, { eval: true, workerData: { url, package: lib } });
    t.after(() => worker.terminate());
    [url] = await once(worker, 'message');
    ids.add(String(worker.threadId));
  }
  const answered = new Set();
  // That 60 sockets miss one of three happens once in 10^10.
  for (let client = 0; client < 60; client += 1) {
    const socket = await connect(t, { addresses: [url] });
    answered.add((await read(socket, 1)).toString());
    socket.destroy();
  }
  assert.deepEqual(answered, ids);
});

test('a hundred starts and stops leave no descriptor, and none that is refused', async (t) => {
  const count = () => readdirSync('/proc/self/fd').length;
  const cycle = async (refuse) => {
    const server = new Server({ onStart: () => (refuse ? Action.Stop : undefined) }, INLINE);
    server.listen(LOOPBACK);
    await server.start().catch((error) => assert.equal(error.code, 'STOPPED'));
    const socket = refuse ? null : await connect(t, server);
    await server.stop();
    if (socket) await readAll(socket).then(() => socket.destroy());
    if (socket && !socket.closed) await once(socket, 'close');
  };
  await cycle(false);
  await immediate();
  const before = count();
  for (let round = 0; round < 100; round += 1) await cycle(round % 4 === 0);
  assert.equal(count(), before);
});

test('a server whose deadline passes before sendNow is told of its stop, and once', async (t) => {
  const told = [];
  const server = await serve(t, { onStopping: () => void told.push('onStopping'), onStop: () => void told.push('onStop') }, INLINE);
  await connect(t, server);
  await immediate();
  const stopping = server.stopGracefully(1);
  await immediate();
  // The turn that sendNow makes is the first one after the deadline.
  for (const began = performance.now(); performance.now() - began < 50; );
  server.sendNow();
  await Promise.all([stopping, server.wait()]);
  assert.deepEqual(told, ['onStopping', 'onStop']);
});
