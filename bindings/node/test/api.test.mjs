import assert from 'node:assert/strict';
import test from 'node:test';

import * as reactor from 'reactor-engine';
import { Action, CloseReason, Conn, ConnId, Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, loopsOf, read, readAll, serve, temporaryFolder } from './support.mjs';

test('the package exports what it documents', () => {
  const classes = ['Action', 'CloseReason', 'Conn', 'ConnId', 'Datagram', 'Detached', 'ErrorCode', 'Framing', 'Histogram', 'ReactorError', 'Server', 'ServerHandle', 'Timer'];
  const names = [...classes, 'custom', 'delimiter', 'fixed', 'lengthField', 'line', 'resp', 'serve'];
  assert.deepEqual(Object.keys(reactor).filter((name) => name !== 'default' && name !== 'module.exports').sort(), names);
});

test('A1 A2: listen gives the address really bound, of each listener', async (t) => {
  const path = `${temporaryFolder(t)}/s`;
  const server = new Server({});
  t.after(() => server.stop());
  const bound = [LOOPBACK, `unix://${path}`, 'tcp4://127.0.0.1:0'].map((url) => server.listen(url));
  assert.match(bound[0], /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(bound[1], `unix://${path}`);
  assert.match(bound[2], /^tcp4:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.deepEqual(server.addresses, bound);
});

test('S1 L1: the callbacks come in order, with the server and the same connection', async (t) => {
  const calls = [];
  const closed = deferred();
  const server = await serve(t, {
    onStart: (...args) => void calls.push(['start', ...args]),
    onOpen: (...args) => void calls.push(['open', ...args]),
    onData: (conn, data) => void calls.push(['data', conn, data]),
    onClose: (...args) => (calls.push(['close', ...args]), closed.resolve()),
    onStop: (...args) => void calls.push(['stop', ...args]),
  });
  const socket = await connect(t, server);
  socket.end('hello');
  await closed.promise;
  await server.stop();
  assert.deepEqual(calls.map(([name]) => name), ['start', 'open', 'data', 'close', 'stop']);
  const conn = calls[1][1];
  assert.ok(conn instanceof Conn);
  assert.ok(Buffer.isBuffer(calls[2][2]));
  assert.equal(calls[2][2].toString(), 'hello');
  assert.deepEqual(calls[3].slice(2), [CloseReason.Eof, null]);
  assert.ok(calls[2][1] === conn && calls[3][1] === conn);
  assert.ok(calls[0][1] === server && calls[4][1] === server);
});

test('S1: onStart is called within start, before it returns', async (t) => {
  let started = 0;
  const server = new Server({ onStart: () => void (started += 1) }, { loops: 1 });
  const promise = server.start();
  assert.equal(started, 1);
  await promise;
  t.after(() => server.stop());
  assert.equal(server.loops, 1);
});

test('a handler is called as an object, and may change while the server runs', async (t) => {
  class Greeter {
    constructor(word) {
      this.word = word;
    }

    onOpen(conn) {
      conn.write(this.word);
    }
  }
  const handler = new Greeter('one ');
  const server = await serve(t, handler);
  assert.equal((await read(await connect(t, server), 4)).toString(), 'one ');
  handler.onOpen = (conn) => void conn.write('two ');
  assert.equal((await read(await connect(t, server), 4)).toString(), 'two ');
});

test('a string is written as UTF-8, any Uint8Array byte by byte, and data is copied', async (t) => {
  const server = await serve(t, {
    onOpen(conn) {
      const bytes = new Uint8Array([0, 1, 254, 255]);
      conn.write('äöü€😀');
      conn.write('');
      conn.write(bytes.subarray(1, 3));
      conn.write(new Uint8Array(0));
      bytes.fill(7);
      conn.write(Buffer.from('end'));
      return Action.Close;
    },
  });
  const all = await readAll(await connect(t, server));
  assert.deepEqual(all, Buffer.concat([Buffer.from('äöü€😀'), Buffer.from([1, 254]), Buffer.from('end')]));
});

test('the bytes of onData stay as they are after the callback', async (t) => {
  const kept = [];
  const server = await serve(t, { onData: (conn, data) => (kept.push(data), void conn.write(data)) });
  const socket = await connect(t, server);
  for (const text of ['first', 'other']) {
    socket.write(text);
    assert.equal((await read(socket, 5)).toString(), text);
  }
  assert.equal(Buffer.concat(kept).toString(), 'firstother');
  // Memory of their own, not a part of Buffer's shared pool.
  assert.deepEqual(kept.map((data) => data.buffer.byteLength), [5, 5]);
});

test('a connection carries data of the user, and says whether it is open', async (t) => {
  const closed = deferred();
  const server = await serve(t, {
    onOpen(conn) {
      assert.equal(conn.data, undefined);
      conn.data = { count: 1 };
      assert.equal(conn.isOpen, true);
    },
    onData(conn) {
      conn.data.count += 1;
      conn.close();
      assert.equal(conn.isOpen, false);
    },
    onClose: (conn, reason) => closed.resolve([conn.data.count, conn.isOpen, reason]),
    onError: closed.reject,
  });
  const socket = await connect(t, server);
  socket.end('x');
  assert.deepEqual(await closed.promise, [2, false, CloseReason.LocalClose]);
});

test('connections and queuedBytes count', async (t) => {
  const opened = deferred();
  const server = await serve(t, { onOpen: opened.resolve }, { loops: 1, highWater: 1000 });
  assert.deepEqual([server.connections, server.queuedBytes], [0, 0]);
  await connect(t, server);
  const conn = await opened.promise;
  assert.equal(server.connections, 1);
  // More than the kernel takes from a peer that does not read.
  assert.equal(conn.write(Buffer.alloc(32 << 20)), false);
  assert.ok(server.queuedBytes > 1 << 20);
  await server.stop();
  assert.deepEqual([server.connections, server.queuedBytes], [0, 0]);
});

test('D5: a write above the high-water mark says false, and onDrain comes when the peer has read', async (t) => {
  const drained = deferred();
  const size = 24 << 20;
  const server = await serve(t, {
    onOpen: (conn) => assert.equal(conn.write(Buffer.alloc(size, 'x')), false),
    onDrain: (conn) => drained.resolve(conn.write('y')),
  });
  const socket = await connect(t, server);
  const all = await read(socket, size + 1);
  assert.equal(await drained.promise, true);
  assert.equal(all.length, size + 1);
  assert.equal(all.subarray(-2).toString(), 'xy');
});

test('the options reach the engine', async (t) => {
  const server = await serve(t, {}, { loops: 3, highWater: 10, lowWater: 5, hardLimit: 20, readBudget: 64, lingerMs: 100 });
  assert.equal(server.loops, loopsOf(3));
});

test('ids: opaque, frozen, the same object, the same decimal string back and forth', async (t) => {
  const conns = [];
  const server = await serve(t, { onOpen: (conn) => (conns.push(conn), void conn.write('!')) });
  const sockets = [await connect(t, server), await connect(t, server)];
  for (const socket of sockets) await read(socket, 1);
  const [first, second] = conns.map((conn) => conn.id);
  assert.ok(first instanceof ConnId && Object.isFrozen(first));
  assert.equal(conns[0].id, first);
  assert.notEqual(String(first), String(second));
  assert.match(String(first), /^[1-9]\d*$/);
  assert.deepEqual(ConnId.parse(String(first)), first);
  assert.equal(String(ConnId.parse('18446744073709551615')), '18446744073709551615');
  assert.equal(server.write(ConnId.parse(String(second)), 'by id'), true);
  assert.equal((await read(sockets[1], 5)).toString(), 'by id');
});

test('D4: what a connection can do it does by its id as well', async (t) => {
  const told = [];
  const server = await serve(t, { onData: (conn, data) => void told.push(String(data)) }, { loops: 1 }, `unix://${temporaryFolder(t)}/s`);
  const client = await connect(t, server);
  while (server.connections === 0) await new Promise(setImmediate);
  const [id] = server.connectionIds();
  assert.deepEqual([server.isOpen(id), server.isOpen(ConnId.parse('1')), server.info(id).bytesReceived], [true, false, 0]);
  assert.throws(() => server.isOpen('1'), { name: 'TypeError' });
  server.setFraming(id, reactor.fixed(2));
  server.setTimeouts(id, { idle: 60_000 });
  server.setOptions(id, { sendBuffer: 100_000 });
  assert.equal(server.peerCredentials(id).pid, process.pid);
  client.write('abcd');
  while (told.length < 2) await new Promise(setImmediate);
  assert.deepEqual(told, ['ab', 'cd']);
  assert.throws(() => server.joinMulticast(id, '239.0.0.1'), { name: 'ReactorError' });
  assert.throws(() => server.leaveMulticast(id, '239.0.0.1'), { name: 'ReactorError' });
  server.close(id);
  assert.equal(server.isOpen(id), false);
  for (const [call, given] of [['setFraming', null], ['setTimeouts', {}]]) assert.throws(() => server[call](id, given), { code: 'CLOSED' });
});

test('L3: ids are never used again, by another server neither', async (t) => {
  const seen = new Set();
  for (let round = 0; round < 5; round += 1) {
    const closed = deferred();
    const handler = { onOpen: (conn) => void seen.add(String(conn.id)), onClose: closed.resolve };
    const server = await serve(t, handler);
    (await connect(t, server)).end();
    await closed.promise;
    await server.stop();
  }
  assert.equal(seen.size, 5);
});
