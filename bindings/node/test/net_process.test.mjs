// reactor-engine/net in its thread: contexts, Workers, and what is left behind.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import node from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { all, assert, both, called, close, eventually, listen, ours, pair, pause } from './net_support.mjs';
import { worker } from './support.mjs';

both('events of a socket have the context that it was made in', async (t, net) => {
  const storage = new AsyncLocalStorage();
  const server = await storage.run('server', () => listen(t, net));
  const seen = [];
  server.on('connection', (socket) => {
    seen.push(`connection ${storage.getStore()}`);
    socket.on('data', () => socket.end(String(storage.getStore())));
  });
  const ask = (name) => storage.run(name, () => new Promise((resolve) => {
    const client = net.connect(server.address().port, '127.0.0.1', () => client.write('x'));
    client.on('data', (data) => resolve(`${storage.getStore()} ${data}`));
  }));
  assert.deepEqual(await Promise.all([ask('first'), ask('second')]), ['first server', 'second server']);
  assert.deepEqual(seen, ['connection server', 'connection server']);
}, { differs: 'a socket that was accepted has none' });

test('require and import are the same module, and its mode is settled by its first use', () => {
  const required = createRequire(import.meta.url)('reactor-engine/net');
  assert.equal(required, ours);
  ours.createServer().listen(0, '127.0.0.1', function closing() {
    this.close();
  });
  assert.throws(() => ours.setEngineMode('threads'), /before the first server and socket/);
  assert.throws(() => ours.setEngineMode('fibers'), { message: "the mode must be 'inline' or 'threads', not fibers" });
});

test('each Worker has an engine of its own, and takes it along when it is terminated', async (t) => {
  const source = `
    const net = require(workerData.net);
    if (workerData.mode === 'threads') net.setEngineMode('threads');
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
  const data = { net: fileURLToPath(import.meta.resolve('reactor-engine/net')) };
  const workers = Array.from({ length: 3 }, () => worker(t, source, data));
  const ports = await Promise.all(workers.map((each) => once(each, 'message')));
  for (const [at, each] of workers.entries()) {
    const [port] = ports[at];
    const client = node.connect(port, '127.0.0.1');
    client.write('echo');
    assert.equal(String((await once(client, 'data'))[0]), 'echo');
    client.on('error', () => {});
    const closed = close(client);
    await each.terminate();
    await closed;
  }
});

test('a thousand connections leave no descriptor behind', async (t) => {
  const server = await listen(t, ours);
  server.on('connection', (socket) => socket.end('x'));
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const ask = async () => String(await all(ours.connect(server.address().port, '127.0.0.1')));
  assert.equal(await ask(), 'x');
  const before = descriptors();
  for (let round = 0; round < 20; round += 1) {
    const answers = await Promise.all(Array.from({ length: 50 }, ask));
    assert.ok(answers.every((answer) => answer === 'x'));
  }
  await eventually(() => descriptors() <= before + 2);
  assert.deepEqual(await called((done) => server.getConnections(done)), [null, 0]);
});

both('a peer that floods is held back by a reader that takes nothing', async (t, net) => {
  const { client, peer } = await pair(t, net);
  client.pause();
  const chunk = Buffer.alloc(1 << 20);
  for (let count = 0; count < 64; count += 1) peer.write(chunk);
  await pause(200);
  assert.ok(client.readableLength < 2 << 20, `${client.readableLength} bytes`);
  assert.ok(client.bytesRead < 2 << 20);
  assert.ok(peer.writableLength > 32 << 20);
});
