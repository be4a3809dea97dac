// R4, L8: asynchronous contexts: each connection has one, which no other sees.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'node:test';

import { Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, read, readAll } from './support.mjs';

/** A server that was started within a context. */
async function started(t, storage, store, handler) {
  const server = new Server(handler, { loops: 2 });
  server.listen(LOOPBACK);
  await storage.run(store, () => server.start());
  t.after(() => server.stop());
  return server;
}

test('what a callback enters is seen by the callbacks of its connection, and by no other', async (t) => {
  const storage = new AsyncLocalStorage();
  const closed = [];
  const server = await started(t, storage, 'server', {
    onOpen(conn) {
      assert.equal(storage.getStore(), 'server', 'as the start was');
      storage.enterWith(String(conn.id));
    },
    async onData(conn, data) {
      assert.equal(storage.getStore(), String(conn.id));
      await immediate();
      assert.equal(storage.getStore(), String(conn.id));
      storage.enterWith('left behind');
      conn.write(data);
    },
    onClose: (conn) => void closed.push([String(conn.id), storage.getStore()]),
    onError: (error) => closed.push(error),
  });
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(t, server)));
  for (let round = 0; round < 3; round += 1) {
    sockets.forEach((socket) => socket.write('x'));
    await Promise.all(sockets.map((socket) => read(socket, 1)));
  }
  sockets.forEach((socket) => socket.end());
  await Promise.all(sockets.map(readAll));
  await server.stop();
  assert.equal(closed.length, 20);
  for (const [id, store] of closed) assert.equal(store, id);
});

test('what onData enters stays with its connection', async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  const server = await started(t, storage, undefined, {
    onData(conn, data) {
      seen.push(storage.getStore());
      storage.enterWith(String(data));
      conn.write('.');
    },
  });
  for (const name of ['a', 'b']) {
    const socket = await connect(t, server);
    for (let round = 0; round < 2; round += 1) {
      socket.write(name);
      await read(socket, 1);
    }
  }
  assert.deepEqual(seen, [undefined, 'a', undefined, 'b']);
});

test('a failure is reported in the context of its connection, and onStop has one of its own', async (t) => {
  const storage = new AsyncLocalStorage();
  const [reported, stopped] = [deferred(), deferred()];
  const server = await started(t, storage, 'server', {
    onOpen: () => storage.enterWith('connection'),
    onData: async () => { await null; throw new Error('late'); },
    onError: () => reported.resolve(storage.getStore()),
    onStop: () => stopped.resolve(storage.getStore()),
  });
  const socket = await connect(t, server);
  socket.end('x');
  await readAll(socket);
  await server.stop();
  assert.deepEqual([await reported.promise, await stopped.promise], ['connection', 'server']);
});
