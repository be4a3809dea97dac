// What a connection can do: writing, ending, reading, framing, timers, and what can be read of it.
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';

import { Action, CloseReason, ReactorError, Timer, fixed, lengthField, line, resp } from 'reactor-engine';

import { LOOPBACK, connect, deferred, isInline, read, readAll, serve, target, temporaryFolder } from './support.mjs';

const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

/** A server of one connection, and that. */
async function one(t, handler, url = LOOPBACK, options = { loops: 1 }) {
  const opened = deferred();
  const server = await serve(t, { ...handler, onOpen: (conn) => (opened.resolve(conn), handler.onOpen?.(conn)) }, options, url);
  const socket = await connect(t, server);
  return { server, socket, conn: await opened.promise };
}

test('D3: a gathered write is one, and takes strings and any view', async (t) => {
  const { socket, conn, server } = await one(t, {});
  const view = new Uint16Array([0x6261, 0x6463]);
  assert.equal(conn.writev(['ä', Buffer.from('-'), new DataView(view.buffer, 1, 2), new Uint8Array(0), view]), true);
  conn.write(new Float32Array(1));
  server.writev(conn.id, ['end']);
  assert.equal((await read(socket, 16)).toString('latin1'), `${Buffer.from('ä').toString('latin1')}-bcabcd\0\0\0\0end`);
  assert.equal(server.metrics().messagesWritten, 3);
});

test('D3: a list of a class of its own is written as what it has: its map is not asked', async (t) => {
  class Parts extends Array {
    map() {
      return [Buffer.from('of the map')];
    }
  }
  const { socket, conn, server } = await one(t, {});
  const parts = (...words) => Object.setPrototypeOf(words, Parts.prototype);
  conn.writev(parts('a', Buffer.from('b')));
  await conn.writeAsync(parts('c', new DataView(new Uint8Array([0x64]).buffer)));
  server.writev(conn.id, parts('e', 'f'));
  server.handle.writev(conn.id, parts('g', 'h'));
  assert.equal(String(await read(socket, 8)), 'abcdefgh');
  // A hole is nothing that can be written.
  const holed = ['a', 'c'];
  delete holed[1];
  assert.throws(() => conn.writev(holed), { name: 'TypeError', message: /not undefined$/ });
});

test('D4: the callback of a write comes once, not from inside the call, and before onClose if nothing came of it', async (t) => {
  const events = [];
  const closed = deferred();
  const handler = { onClose: (conn, reason) => (events.push(reason), closed.resolve()) };
  const { conn, socket, server } = await one(t, handler, LOOPBACK, { loops: 1, hardLimit: 1 << 28 });
  const first = deferred();
  conn.write('first', first.resolve);
  assert.equal(await first.promise, null);
  await conn.writeAsync(['sec', 'ond']);
  await server.writeAsync(conn.id, '!');
  assert.equal((await read(socket, 12)).toString(), 'firstsecond!');
  // More than the kernel takes from a peer that does not read.
  const stuck = conn.writeAsync(Buffer.alloc(32 << 20)).catch((error) => void events.push(error.code));
  conn.writev(['x'], (error) => void events.push(error.message));
  assert.deepEqual(events, []);
  conn.abort();
  await Promise.all([stuck, closed.promise]);
// The promise is told when the batch was handled.
  assert.deepEqual(events, [`connection ${conn.id} is closed`, CloseReason.Abort, 'CLOSED']);
  await assert.rejects(conn.writeAsync('late'), refused('CLOSED'));
  assert.throws(() => conn.write('late', () => assert.fail('called')), refused('CLOSED'));
  assert.throws(() => conn.abort(), refused('CLOSED'));
});

test('R4: the callback of a write that fails is only reported', async (t) => {
  const reported = deferred();
  const { conn, socket } = await one(t, { onError: (...args) => reported.resolve(args) });
  conn.write('x', () => assert.fail('told to fail'));
  const [error, of] = await reported.promise;
  assert.deepEqual([error.message, of], ['told to fail', null]);
  conn.write('y');
  assert.equal((await read(socket, 2)).toString(), 'xy');
});

test('a connection that is ended goes on reading', async (t) => {
  const came = deferred();
  const { conn, socket } = await one(t, { onData: (_, data) => came.resolve(String(data)) });
  conn.write('last');
  conn.end();
  assert.throws(() => conn.end(), refused('CLOSED'));
  assert.throws(() => conn.write('x'), refused('CLOSED'));
  assert.equal((await readAll(socket)).toString(), 'last');
  socket.end('heard');
  assert.equal(await came.promise, 'heard');
});

test('L5: with halfOpen the end of the peer\'s side is told, behind its data', async (t) => {
  const events = [];
  const closed = deferred();
  const handler = {
    onData: (conn, data) => void events.push(String(data)),
    onEof(conn) {
      events.push('eof');
      setImmediate(() => (conn.write('answer'), conn.end()));
    },
    onClose: (_, reason) => closed.resolve(reason),
  };
  const { socket } = await one(t, handler, `${LOOPBACK}?half_open=true`);
  socket.end('data');
  assert.equal((await readAll(socket)).toString(), 'answer');
  assert.equal(await closed.promise, CloseReason.Eof);
  assert.deepEqual(events, ['data', 'eof']);
});

test('D5: a paused connection is given nothing, not even what was read already', async (t) => {
  const frames = [];
  const handler = {
    onData(conn, data) {
      frames.push(String(data));
      if (frames.length === 1) conn.pause();
    },
  };
  const { conn, socket, server } = await one(t, handler, `${LOOPBACK}?framing=line`);
  socket.write('a\nb\nc\n');
  // Another connection is served meanwhile.
  const other = await connect(t, server);
  while (frames.length === 0) await new Promise(setImmediate);
  for (let turn = 0; turn < 5; turn += 1) {
    server.runOnLoop(0, () => {});
    await new Promise(setImmediate);
  }
  assert.deepEqual(frames, ['a']);
  conn.resume();
  assert.deepEqual(frames, ['a'], 'never from inside the call');
  while (frames.length < 3) await new Promise(setImmediate);
  socket.write('d\n');
  while (frames.length < 4) await new Promise(setImmediate);
  assert.deepEqual(frames, ['a', 'b', 'c', 'd']);
  other.destroy();
});

test('D5: what waited behind a pause comes before the engine goes on', async (t) => {
  const paused = deferred();
  const server = await serve(t, {
    onData(conn, data) {
      conn.write(`${data}\n`);
      if (String(data) !== 'one') return;
      conn.pause();
      paused.resolve(conn);
    },
  }, { loops: 1 }, `${LOOPBACK}?framing=line,max_frame=10`);
  const socket = await connect(t, server);
  // The last one is too long, which ends the connection.
  socket.write(`one\ntwo\nthree\n${'x'.repeat(20)}`);
  const conn = await paused.promise;
  conn.resume();
  // Time for the loop to go on, if it could.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  assert.equal(String(await readAll(socket)), 'one\ntwo\nthree\n');
});

test('D2: what is kept comes again, in front of the next', async (t) => {
  const inputs = [];
  const handler = {
    onData(conn, data) {
      inputs.push(String(data));
      const end = data.lastIndexOf('\n') + 1;
      conn.keep(1);
      conn.keep(data.length - end);
      if (end > 0) conn.write(data.subarray(0, end));
    },
  };
  const { socket } = await one(t, handler);
  socket.write('a\nb');
  assert.equal((await read(socket, 2)).toString(), 'a\n');
  socket.write('c\nd');
  assert.equal((await read(socket, 3)).toString(), 'bc\n');
  socket.write('\n');
  assert.equal((await read(socket, 2)).toString(), 'd\n');
  assert.deepEqual(inputs, ['a\nb', 'bc\nd', 'd\n']);
});

test('D2 L8: also of input that waited for a promise', async (t) => {
  const inputs = [];
  const handler = {
    onOpen: () => new Promise((resolve) => setTimeout(resolve, 20)),
    async onData(conn, data) {
      inputs.push(String(data));
      if (!data.includes('\n')) return conn.keep(data.length);
      await null;
      assert.throws(() => conn.keep(0), refused('WRONG_STATE', /until it returns/));
      conn.write('ok');
    },
    onError: assert.fail,
  };
  const { socket } = await one(t, handler);
  socket.write('half');
  while (inputs.length < 1) await new Promise(setImmediate);
  socket.write(' and half\n');
  assert.equal((await read(socket, 2)).toString(), 'ok');
  assert.deepEqual(inputs, ['half', 'half and half\n']);
});

test('R5: keep is refused where there is nothing to keep', async (t) => {
  const tried = deferred();
  const handler = {
    onData(conn, data) {
      assert.throws(() => conn.keep(data.length + 1), refused('INVALID_ARGUMENT', /cannot keep 4 bytes of an input of 3/));
      conn.setFraming(line());
      tried.resolve();
    },
    onError: tried.reject,
  };
  const { conn, socket } = await one(t, handler);
  assert.throws(() => conn.keep(0), refused('WRONG_STATE', /callback that is given the input/));
  socket.write('abc');
  await tried.promise;
  const framed = await one(t, {
    onData: (of) => assert.throws(() => of.keep(0), refused('WRONG_STATE', /of a frame nothing can be kept/)) ?? void of.write('.'),
  }, `${LOOPBACK}?framing=line`);
  framed.socket.write('x\n');
  await read(framed.socket, 1);
});

test('D2: the framing is changed by a call, and frames are written as it cuts them', async (t) => {
  const frames = [];
  const handler = {
    onData(conn, data) {
      frames.push(String(data));
      if (frames.length === 1) conn.setFraming(fixed(2));
      if (frames.length === 2) conn.setFraming('length:2');
      conn.writeFrame('ok');
      if (frames.length === 3) conn.setFraming(null);
    },
  };
  const { conn, socket } = await one(t, handler, `${LOOPBACK}?framing=line`);
  socket.write('first\n');
  assert.equal((await read(socket, 2)).toString(), 'ok');
  socket.write('ab');
  assert.deepEqual(await read(socket, 4), Buffer.from('\0\x02ok'));
  socket.write('\0\x03abc');
  assert.deepEqual(await read(socket, 4), Buffer.from('\0\x02ok'));
  assert.throws(() => conn.writeFrame('x'), refused('INVALID_ARGUMENT', /no framing/));
  assert.throws(() => conn.setFraming(resp()), refused('UNSUPPORTED', /onCommand/));
  assert.throws(() => conn.setFraming(lengthField({ width: 5 })), refused('INVALID_ARGUMENT'));
  assert.throws(() => conn.setFraming(), { name: 'TypeError' });
  assert.deepEqual(frames, ['first', 'ab', 'abc']);
});

test('D2: resp cuts commands, and their arguments are told', async (t) => {
  const commands = [];
  const handler = {
    onCommand(conn, args) {
      commands.push(args);
      conn.write('+OK\r\n');
    },
    onData: assert.fail,
  };
  const { socket } = await one(t, handler, `${LOOPBACK}?framing=resp`);
  const pieces = ['*2\r\n$3\r\nGET\r\n$5\r\nab', 'c\r\n\r\nPING\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\0\xff\r\n'];
  for (const piece of pieces) {
    socket.write(Buffer.from(piece, 'latin1'));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await read(socket, 15)).toString(), '+OK\r\n+OK\r\n+OK\r\n');
  assert.deepEqual(commands.map((args) => args.map((arg) => arg.toString('latin1'))), [['GET', 'abc\r\n'], ['PING'], ['SET', '', '\0\xff']]);
  socket.write('*x\r\n');
  assert.match((await readAll(socket)).toString(), /^-ERR Protocol error/);
  const deaf = await serve(t, {});
  assert.throws(() => deaf.listen(`${LOOPBACK}?framing=resp`), refused('UNSUPPORTED', /onCommand/));
});

test('wake has onWake called; while a promise runs it waits, once', async (t) => {
  const events = [];
  const done = deferred();
  const handler = {
    async onData(conn) {
      events.push('data');
      for (let count = 0; count < 3; count += 1) {
        conn.wake();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      events.push('done');
    },
    onWake: (conn) => (events.push('wake'), done.resolve(conn)),
  };
  const { conn, server, socket } = await one(t, handler);
  socket.write('x');
  assert.equal(await done.promise, conn);
  assert.deepEqual(events, ['data', 'done', 'wake']);
  server.wake(conn.id);
  while (events.length < 4) await new Promise(setImmediate);
});

test('T2: timers of a connection come until they are cancelled, and end with it', async (t) => {
  const due = [];
  const thrice = deferred();
  const handler = {
    onTimer(conn, timer) {
      due.push(timer);
      if (due.length === 3) thrice.resolve();
    },
  };
  const { conn, socket, server } = await one(t, handler);
  const repeating = conn.setTimer(1, 1);
  assert.ok(repeating instanceof Timer && repeating.id > 0);
  await thrice.promise;
  assert.equal(repeating.cancel(), true);
  assert.ok(due.every((timer) => timer === repeating));
  const count = due.length;
  const never = conn.setTimer(60_000);
  socket.destroy();
  while (server.connections > 0) await new Promise(setImmediate);
  await server.stop();
  assert.equal(never.cancel(), false);
  assert.equal(due.length, count);
  assert.throws(() => conn.setTimer(1), refused('CLOSED'));
});

test('L4: what a timer answers is done', async (t) => {
  const { conn, socket } = await one(t, { onTimer: (of) => (of.write('bye'), Action.Close) });
  conn.setTimer(1);
  assert.equal((await readAll(socket)).toString(), 'bye');
});

test('T3: time-outs are changed by a call', async (t) => {
  const closed = deferred();
  const { conn } = await one(t, { onClose: (_, reason) => closed.resolve(reason) });
  conn.setTimeouts({ idle: 10, read: 0 });
  assert.equal(await closed.promise, CloseReason.Idle);
  assert.throws(() => conn.setTimeouts({ idle: -1 }), refused('INVALID_ARGUMENT', /^idle must be/));
  assert.throws(() => conn.setTimeouts({ idel: 1 }), refused('INVALID_ARGUMENT', /^unknown option 'idel'/));
  assert.throws(() => conn.setTimeouts({ write: '1' }), { name: 'TypeError' });
});

test('D4: a function is called when the loop has come to it', async (t) => {
  const ran = deferred();
  const failed = deferred();
  const { conn, server } = await one(t, { onError: (error, of) => failed.resolve([error.message, of]) });
  conn.runOnLoop(ran.resolve);
  assert.equal(await ran.promise, conn);
  server.runOnLoop(0, () => assert.fail('told to fail'));
  assert.deepEqual(await failed.promise, ['told to fail', null]);
  assert.throws(() => server.runOnLoop(1, () => {}), refused('INVALID_ARGUMENT'));
  assert.throws(() => conn.runOnLoop(), { name: 'TypeError' });
});

test('L7: addresses and counts can be read, in onClose too, and afterwards', async (t) => {
  const closed = deferred();
  const look = (conn) => [conn.remoteAddress, conn.remotePort, conn.remoteFamily, conn.localAddress, conn.localPort, conn.localFamily];
  const { conn, socket, server } = await one(t, {
    onData: (of, data) => void of.write(data),
    onClose: (of) => closed.resolve([look(of), of.info()]),
  });
  const { localPort, remotePort } = socket;
  const expected = ['127.0.0.1', localPort, 'IPv4', '127.0.0.1', remotePort, 'IPv4'];
  assert.deepEqual(look(conn), expected);
  socket.write('hello');
  await read(socket, 5);
  // The answer may be here before the loop has counted it.
  while (conn.info().bytesSent < 5) await new Promise(setImmediate);
  const { ageMs, ...info } = conn.info();
  assert.deepEqual(info, { listener: server.listeners[0].listener, loop: 0, bytesReceived: 5, bytesSent: 5, queuedBytes: 0 });
  assert.ok(Number.isInteger(ageMs));
  socket.end();
  const [ends, last] = await closed.promise;
  assert.deepEqual(ends, expected);
  assert.deepEqual({ ...last, ageMs }, { ...info, ageMs });
  assert.deepEqual(look(conn), expected);
});

test('L7: of Unix sockets, too, and who is at the other end', async (t) => {
  const path = `${temporaryFolder(t)}/s%C3%A4?`.replace('?', '');
  const { conn } = await one(t, {}, `unix://${path}`);
  assert.deepEqual([conn.remoteAddress, conn.remotePort, conn.remoteFamily], ['', undefined, 'Unix']);
  assert.equal(conn.localFamily, 'Unix');
  const { pid, uid, gid } = conn.peerCredentials();
  assert.deepEqual([pid, uid, gid], [process.pid, process.getuid(), process.getgid()]);
  const inet = await one(t, {});
  assert.throws(() => inet.conn.peerCredentials(), refused('SYSTEM'));
});

test('IPv6 addresses come apart', async (t) => {
  const { conn } = await one(t, {}, 'tcp://[::1]:0');
  assert.deepEqual([conn.remoteAddress, conn.remoteFamily, conn.localAddress], ['::1', 'IPv6', '::1']);
});

test('options of a socket are set, and refused by their names', async (t) => {
  const { conn } = await one(t, {});
  conn.setOptions({ nodelay: false, keepalive: [60, 5, 3], recvBuffer: 1 << 16, sendBuffer: 1 << 16, ttl: 5 });
  assert.throws(() => conn.setOptions({ noDelay: true }), refused('INVALID_ARGUMENT', /^unknown option 'noDelay' \(known: nodelay/));
  assert.throws(() => conn.setOptions({ ttl: 0 }), refused('INVALID_ARGUMENT', /hops/));
  assert.throws(() => conn.setOptions({ ttl: '5' }), { name: 'TypeError' });
  assert.throws(() => conn.setOptions(), { name: 'TypeError' });
  assert.throws(() => conn.joinMulticast('239.0.0.1'), refused('SYSTEM'));
  assert.throws(() => conn.joinMulticast(5), { name: 'TypeError' });
});

test('context is data, and a connection is found by its id', async (t) => {
  const { conn, server } = await one(t, {});
  conn.context = { name: 'x' };
  assert.equal(conn.data, conn.context);
  assert.equal(server.conn(conn.id), conn);
  for (const call of ['pause', 'resume', 'hold', 'release', 'end', 'close']) server[call](conn.id);
  assert.equal(conn.isOpen, false);
});

// Inline there is no such connection.
test('a connection that this thread does not know of yet is reached by its id', { skip: isInline }, async (t) => {
  const order = [];
  const server = await serve(t, { onOpen: (conn) => void order.push(conn) });
  const socket = net.connect(target(server.addresses[0]));
  t.after(() => socket.destroy());
  await new Promise(process.nextTick);
  let ids = [];
  // Without a turn of Node's loop nobody has told of it.
  while (ids.length === 0) ids = server.connectionIds();
  const early = server.conn(ids[0]);
  server.write(ids[0], 'early');
  assert.deepEqual(order, []);
  await read(socket, 5);
  assert.ok(order.length === 1 && order[0] === early);
  assert.equal(early.id, ids[0]);
});
