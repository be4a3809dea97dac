// Connections that this side makes (D7), or is given (D8).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import test from 'node:test';

import { CloseReason, ReactorError, Server, line } from 'reactor-engine';

import { connect, deferred, isInline, serve, temporaryFolder } from './support.mjs';

const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

/** A server of node:net that upcases, and its port or path. */
async function upcasing(t, where = { host: '127.0.0.1', port: 0 }) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(data.toString().toUpperCase())).on('end', () => socket.end());
  });
  server.listen(where);
  t.after(() => server.close());
  await once(server, 'listening');
  return server.address().port;
}

test('D7: what is written before the connection is made is sent, and the callbacks are those of every connection', async (t) => {
  const port = await upcasing(t);
  const events = [];
  const closed = deferred();
  const server = await serve(t, {
    onOpen: (conn) => void events.push(['open', conn, conn.remotePort, conn.info().listener]),
    onData(conn, data) {
      events.push(['data', conn, String(data)]);
      if (events.length === 3) conn.end();
    },
    onClose: (conn, reason) => (events.push(['close', conn, reason]), closed.resolve()),
  });
  const conn = server.connect(`tcp://127.0.0.1:${port}`, { context: 'mine', framing: line(), timeoutMs: null, loop: 0 });
  assert.equal(conn.context, 'mine');
  assert.deepEqual(events, []);
  conn.write('one\n');
  conn.writeFrame('two');
  assert.ok(server.conn(conn.id) === conn);
  await closed.promise;
  assert.deepEqual(events, [['open', conn, port, null], ['data', conn, 'ONE'], ['data', conn, 'TWO'], ['close', conn, CloseReason.Eof]]);
});

test('D7: over a Unix socket', async (t) => {
  const path = `${temporaryFolder(t)}/s`;
  await upcasing(t, { path });
  const came = deferred();
  const server = await serve(t, { onData: (conn, data) => came.resolve([String(data), conn.remoteAddress]) });
  server.connect(`unix://${path}`).write('x');
  assert.deepEqual(await came.promise, ['X', path]);
});

test('D7: one that fails has onClose alone, with the system\'s number', async (t) => {
  const closed = deferred();
  const server = await serve(t, {
    onOpen: () => closed.reject(new Error('open')),
    onClose: (conn, reason, errno) => closed.resolve([conn, reason, errno]),
  });
  const vacant = net.createServer().listen(0, '127.0.0.1');
  await once(vacant, 'listening');
  const { port } = vacant.address();
  await new Promise((resolve) => vacant.close(resolve));
  const conn = server.connect(`tcp://127.0.0.1:${port}`);
  const lost = conn.writeAsync('x');
  await assert.rejects(lost, refused('CLOSED'));
  assert.deepEqual(await closed.promise, [conn, CloseReason.ConnectFailed, 111]);
  assert.equal(conn.remotePort, port);
});

test('R5: connect is refused for what cannot be', async (t) => {
  const idle = new Server({}, { loops: 1 });
  assert.throws(() => idle.connect('tcp://127.0.0.1:1'), refused('WRONG_STATE'));
  const server = await serve(t, {});
  assert.throws(() => server.connect('tcp://127.0.0.1'), refused('INVALID_ADDRESS'));
  assert.throws(() => server.connect('tcp://127.0.0.1:1', { loop: 1 }), refused('INVALID_ARGUMENT', /loop/));
  assert.throws(() => server.connect('tcp://127.0.0.1:1', { backlog: 1 }), refused('INVALID_ARGUMENT', /^unknown option 'backlog' \(known: timeoutMs, loop, context, nodelay/));
  assert.throws(() => server.connect('tcp://127.0.0.1:1', { timeoutMs: 0 }), refused('INVALID_ARGUMENT', /above 0/));
  assert.throws(() => server.connect('tcp://127.0.0.1:1', { bind: 5 }), { name: 'TypeError' });
  assert.throws(() => server.connect(5), { name: 'TypeError' });
});

test('D8: a descriptor is enrolled, of which the engine has a copy', async (t) => {
  const port = await upcasing(t);
  const came = deferred();
  const server = await serve(t, { onOpen: (conn) => void conn.write('hello'), onData: (conn, data) => came.resolve([conn, String(data)]) });
  const socket = net.connect(port, '127.0.0.1');
  socket.pause();
  await once(socket, 'connect');
  const conn = server.enroll(socket._handle.fd, { context: 5 });
  socket.destroy();
  assert.deepEqual(await came.promise, [conn, 'HELLO']);
  assert.equal(conn.context, 5);
  const file = openSync('/dev/null');
  assert.throws(() => server.enroll(file), refused('INVALID_ARGUMENT', /cannot enroll the descriptor/));
  closeSync(file);
  assert.throws(() => server.enroll(12345), refused('INVALID_ARGUMENT', /os error 9/));
  assert.throws(() => server.enroll('5'), { name: 'TypeError' });
  assert.throws(() => server.enroll(file, { timeoutMs: 5 }), refused('INVALID_ARGUMENT', /unknown option 'timeoutMs'/));
  assert.equal(server.metrics().enrolled, 1);
});

// Inline nothing ends while this thread waits.
test('L3: a connection that is made before this thread was told of the end of another in its place is not taken for that', { skip: isInline }, async (t) => {
  const events = [];
  const opened = deferred();
  const server = await serve(t, {
    onOpen: (conn) => (events.push(['open', conn]), opened.resolve(conn)),
    onClose: (conn) => void events.push(['close', conn]),
  });
  const socket = await connect(t, server);
  socket.on('error', () => {});
  const before = await opened.promise;
  const peer = net.createServer((accepted) => accepted.end('peer')).listen(0, '127.0.0.1');
  t.after(() => peer.close());
  await once(peer, 'listening');
  before.abort();
  while (server.connections > 0);
  const made = server.connect(`tcp://127.0.0.1:${peer.address().port}`);
  assert.equal(made.id.low, before.id.low);
  assert.equal(server.conn(before.id), before);
  while (events.length < 4) await new Promise(setImmediate);
  assert.deepEqual(events.map(([name, conn]) => [name, conn.id]), [['open', before.id], ['close', before.id], ['open', made.id], ['close', made.id]]);
  assert.ok(events[1][1] === before && events[2][1] === made);
  assert.throws(() => server.conn(before.id), { code: 'CLOSED' });
});
