// Datagrams (D6): endpoints, and outgoing UDP connections.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';

import { Action, Datagram, ReactorError, Server } from 'reactor-engine';

import { deferred, serve } from './support.mjs';

const UDP = 'udp://127.0.0.1:0';
const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

const portOf = (url) => Number(url.match(/:(\d+)$/)[1]);

/** A socket of Node's that is bound. */
async function client(t, type = 'udp4', address = '127.0.0.1') {
  const socket = dgram.createSocket(type);
  socket.bind(0, address);
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

/** The next datagrams of a socket, as text. */
function received(socket, count) {
  const texts = [];
  return new Promise((resolve) => {
    socket.on('message', (data) => {
      texts.push(String(data));
      if (texts.length === count) resolve(texts);
    });
  });
}

test('D6: each datagram has its sender, an empty one too, and a write answers it', async (t) => {
  const came = [];
  const server = await serve(t, {
    onDatagram(conn, data, datagram) {
      came.push([String(data), datagram]);
      conn.write(`re: ${data}`);
      conn.writev(['and ', data]);
    },
    onOpen: () => assert.fail('open'),
  }, { loops: 1 }, UDP);
  const socket = await client(t);
  const answers = received(socket, 4);
  for (const text of ['', 'hello']) socket.send(text, portOf(server.addresses[0]), '127.0.0.1');
  assert.deepEqual(await answers, ['re: ', 'and ', 're: hello', 'and hello']);
  assert.deepEqual(came.map(([text]) => text), ['', 'hello']);
  const [, datagram] = came[1];
  assert.ok(datagram instanceof Datagram);
  const { address, port } = socket.address();
  assert.deepEqual([datagram.address, datagram.port, datagram.family, datagram.size], [address, port, 'IPv4', 5]);
  assert.deepEqual([datagram.sender, datagram.destination, datagram.truncated], [`127.0.0.1:${port}`, '127.0.0.1', false]);
  assert.ok(datagram.interface > 0);
  assert.equal(server.metrics().datagramsRead, 2);
});

test('D6: an answer comes from the address that was asked, also later; and anyone is reached', async (t) => {
  const came = deferred();
  const server = await serve(t, { onDatagram: (...args) => came.resolve(args) }, { loops: 1 }, 'udp4://:0');
  const port = portOf(server.addresses[0]);
  const [asking, other] = [await client(t), await client(t)];
  asking.send('x', port, '127.0.0.5');
  const [conn, , datagram] = await came.promise;
  assert.equal(datagram.destination, '127.0.0.5');
  const answered = once(asking, 'message');
  assert.throws(() => conn.write('x'), refused('UNSUPPORTED'));
  conn.sendTo(datagram, 'later');
  const [text, from] = await answered;
  assert.deepEqual([String(text), from.address, from.port], ['later', '127.0.0.5', port]);
  const reached = received(other, 3);
  const [id] = server.endpoints(server.listeners[0]);
  assert.equal(id, conn.id);
  conn.sendTo(`127.0.0.1:${other.address().port}`, 'a');
  server.sendTo(id, other.address(), 'b');
  server.conn(id).sendTo({ address: '127.0.0.1', port: other.address().port }, new Uint8Array([99]));
  assert.deepEqual(await reached, ['a', 'b', 'c']);
  assert.throws(() => conn.sendTo('localhost:5', 'x'), refused('INVALID_ARGUMENT', /^an address is IP:PORT.*not "localhost:5"$/));
  assert.throws(() => conn.sendTo('127.0.0.1:5', Buffer.alloc(65_508)), refused('INVALID_ARGUMENT', /65508/));
  assert.throws(() => conn.sendTo(5, 'x'), { name: 'TypeError' });
  for (const call of ['close', 'abort', 'end', 'hold']) assert.throws(() => conn[call](), refused('UNSUPPORTED'), call);
});

test('IPv6, and onData where there is no onDatagram', async (t) => {
  const server = await serve(t, { onData: (conn, data) => void conn.write(data) }, { loops: 1 }, 'udp://[::1]:0');
  const socket = await client(t, 'udp6', '::1');
  const answer = received(socket, 1);
  socket.send('x', portOf(server.addresses[0]), '::1');
  assert.deepEqual(await answer, ['x']);
});

test('L8: promises of an endpoint run side by side, and one that fails closes nothing', async (t) => {
  const started = [];
  const go = deferred();
  const errors = [];
  const server = await serve(t, {
    async onDatagram(conn, data, datagram) {
      started.push(String(data));
      if (started.length === 3) go.resolve();
      await go.promise;
      conn.sendTo(datagram, data);
      if (String(data) === '1') throw new Error('told to fail');
      if (String(data) === '2') return Action.Close;
      return undefined;
    },
    onError: (error, conn) => void errors.push([error.message, conn.isOpen]),
  }, { loops: 1 }, UDP);
  const socket = await client(t);
  const answers = received(socket, 4);
  const port = portOf(server.addresses[0]);
  for (const text of ['1', '2', '3']) socket.send(text, port, '127.0.0.1');
  await go.promise;
  while (errors.length < 2) await new Promise(setImmediate);
  socket.send('4', port, '127.0.0.1');
  assert.deepEqual((await answers).sort(), ['1', '2', '3', '4']);
  assert.equal(errors[0][0], 'told to fail');
  assert.match(errors[1][0], /UDP/);
  assert.ok(errors.every(([, isOpen]) => isOpen));
});

test('L8: no more than 1024 of them, and none is lost', async (t) => {
  let [running, most, done] = [0, 0, 0];
  const go = deferred();
  const server = await serve(t, {
    async onDatagram() {
      running += 1;
      most = Math.max(most, running);
      await go.promise;
      running -= 1;
      done += 1;
    },
  }, { loops: 1 }, `${UDP}?rcvbuf=8388608`);
  const socket = await client(t);
  const port = portOf(server.addresses[0]);
  const COUNT = 1500;
  let sent = 0;
  while (sent < COUNT) {
    await new Promise((resolve) => socket.send(String(sent), port, '127.0.0.1', resolve));
    sent += 1;
  }
  while (running < 1024) await new Promise(setImmediate);
  go.resolve();
  // What the kernel had no room for was never the engine's.
  while (done < server.metrics().datagramsRead) await new Promise(setImmediate);
  assert.equal(most, 1024);
  assert.ok(done > 1024);
});

test('D6: a truncated one says so', async (t) => {
  const came = deferred();
  const server = await serve(t, { onDatagram: (conn, data, { truncated, size }) => came.resolve([String(data), truncated, size]) }, { loops: 1 }, `${UDP}?datagram=3`);
  (await client(t)).send('abcdef', portOf(server.addresses[0]), '127.0.0.1');
  assert.deepEqual(await came.promise, ['abc', true, 3]);
});

test('A2 S3: who closes a listener, or stops gracefully, has what waits delivered and answered', async (t) => {
  for (const end of [(server) => server.closeListener(server.addresses[0]), (server) => server.stopGracefully(30_000)]) {
    const server = new Server({ onDatagram: (conn, data) => void conn.write(data) }, { loops: 1 });
    t.after(() => server.stop());
    const port = portOf(server.listen(UDP));
    await server.start();
    const socket = await client(t);
    const answers = received(socket, 3);
    let left = 3;
    await new Promise((resolve) => ['1', '2', '3'].forEach((text) => socket.send(text, port, '127.0.0.1', () => (left -= 1) || resolve())));
    const ended = end(server);
    assert.deepEqual(await answers, ['1', '2', '3']);
    await ended;
  }
});

test('D7: an outgoing UDP connection has the callbacks of connections', async (t) => {
  const socket = await client(t);
  socket.on('message', (data, { address, port }) => socket.send(`re: ${data}`, port, address));
  const events = [];
  const closed = deferred();
  const server = await serve(t, {
    onOpen: (conn) => void conn.write('hello'),
    onDatagram(conn, data, { port }) {
      events.push(String(data), port);
      conn.close();
    },
    onClose: (conn, reason) => closed.resolve(reason),
  });
  const { port } = socket.address();
  server.connect(`udp://127.0.0.1:${port}`);
  assert.equal(await closed.promise, 'local close');
  assert.deepEqual(events, ['re: hello', port]);
});

test('D6: an endpoint that is asked to tell when a datagram has left says what to call instead', async (t) => {
  const tried = deferred();
  const server = await serve(t, {
    onDatagram(conn) {
      const calls = [() => conn.write('x', () => {}), () => conn.writev(['x'], () => {}), () => conn.writeAsync('x')];
      tried.resolve(Promise.all(calls.map(async (call) => call())).catch((error) => error));
      conn.write('still');
    },
  }, { loops: 1 }, UDP);
  const socket = await client(t);
  const answers = received(socket, 1);
  socket.send('?', portOf(server.addresses[0]), '127.0.0.1');
  assert.ok(refused('UNSUPPORTED', /answer by write or sendTo, without a callback$/)(await tried.promise));
  assert.deepEqual(await answers, ['still']);
  const [id] = server.endpoints(server.addresses[0]);
  assert.throws(() => server.write(id, 'x'), refused('UNSUPPORTED', /use sendTo$/));
});
