// How bytes go and come, as node:net has it.
import { once } from 'node:events';

import { all, assert, both, called, close, eventually, failure, listen, pair, pause, record } from './net_support.mjs';
import { isInline } from './support.mjs';

const MIB = 1 << 20;

both('a write that the kernel takes whole leaves nothing behind', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.resume();
  const seen = record(client, 'drain');
  assert.equal(client.write(Buffer.alloc(1000)), true);
  assert.deepEqual([client.writableLength, client.bytesWritten, client.writableNeedDrain], [0, 1000, false]);
  await pause();
  assert.deepEqual(seen, []);
});

both('a write of the mark is taken whole, and its answer is that of the stream', async (t, net) => {
  const { client } = await pair(t, net, { ofClient: { writableHighWaterMark: 65_536 } });
  const before = client.writableLength;
  client.write(Buffer.alloc(65_536));
  assert.deepEqual([before, client.writableLength], [0, 0]);
});

both('to a silent peer, writes are true until what is left over reaches the mark', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const chunk = Buffer.alloc(65_536);
  let count = 0;
  while (client.write(chunk)) {
    count += 1;
    assert.ok(count < 10_000);
    await pause(0);
  }
  assert.ok(client.writableLength >= client.writableHighWaterMark);
  assert.ok(client.writableNeedDrain);
  const drained = once(client, 'drain');
  peer.resume();
  await drained;
  assert.equal(client.writableLength, 0);
});

both('16 MiB to a silent peer: all of it waits until all is out', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const whole = Buffer.alloc(16 * MIB, 'abcdefg');
  assert.equal(client.write(whole), false);
  await pause(50);
  assert.deepEqual([client.writableLength, client.bytesWritten], [16 * MIB, 16 * MIB]);
  const received = all(peer);
  await once(client, 'drain');
  assert.equal(client.writableLength, 0);
  client.end();
  assert.ok(whole.equals(await received));
  assert.equal(peer.bytesRead, 16 * MIB);
});

both('drain comes before the callbacks of the writes that made room', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const seen = record(client, 'drain');
  const last = called((done) => {
    client.write(Buffer.alloc(16 * MIB), () => seen.push('first'));
    client.write('x', () => done(seen.push('second')));
  });
  peer.resume();
  await last;
  assert.deepEqual(seen, ['drain', 'first', 'second']);
});

both('pause() in data: no further data until resume()', async (t, net) => {
  const { client, peer } = await pair(t, net);
  let got = 0;
  let isPaused = false;
  client.on('data', (chunk) => {
    assert.equal(isPaused, false);
    got += chunk.length;
    isPaused = true;
    client.pause();
  });
  peer.end(Buffer.alloc(MIB));
  while (!client.readableEnded) {
    await pause(1);
    isPaused = false;
    client.resume();
  }
  assert.equal(got, MIB);
});

both('read(4) of 10 bytes: 4, 4, nothing, and the rest at the end', async (t, net) => {
  const { client, peer } = await pair(t, net);
  client.pause();
  await called((done) => peer.write('0123456789', done));
  await eventually(() => client.readableLength === 10 || (client.read(0), false));
  assert.deepEqual([client.read(4), client.read(4), client.read(4)].map((part) => part && String(part)), ['0123', '4567', null]);
  peer.end();
  await once(client, 'readable');
  assert.equal(String(client.read()), '89');
});

both('chunks have the bytes that were sent, in order', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const sent = Buffer.from(Array.from({ length: 4 * MIB }, (_, at) => at % 251));
  peer.end(sent);
  const received = await all(client);
  assert.ok(received.equals(sent));
});

both('bytesWritten counts bytes of strings: corked, and while it connects', async (t, net) => {
  const server = await listen(t, net);
  const accepted = once(server, 'connection');
  const client = net.connect(server.address().port, '127.0.0.1');
  client.write('ä'.repeat(10));
  assert.equal(client.bytesWritten, 20);
  await once(client, 'connect');
  client.cork();
  client.write('ä');
  client.write('x', 'latin1');
  client.write('ff', 'hex');
  assert.equal(client.bytesWritten, 24);
  client.uncork();
  assert.deepEqual([client.bytesWritten, client.writableLength], [24, 0]);
  client.end();
  const [peer] = await accepted;
  assert.equal(String(await all(peer)), `${'ä'.repeat(11)}x\ufffd`);
});

both('onread: always the same buffer, no data; false pauses; the end comes', async (t, net) => {
  const server = await listen(t, net);
  const buffer = Buffer.alloc(4);
  const parts = [];
  const client = net.connect({
    port: server.address().port,
    host: '127.0.0.1',
    onread: {
      buffer,
      callback(length, given) {
        assert.equal(given, buffer);
        parts.push(given.toString('utf8', 0, length));
        setImmediate(() => client.resume());
        return false;
      },
    },
  });
  const seen = record(client, 'data', 'end');
  const [peer] = await once(server, 'connection');
  peer.end('0123456789');
  await close(client);
  assert.equal(parts.join(''), '0123456789');
  assert.deepEqual([seen, client.bytesRead], [['end'], 10]);
});

both('the callback of a write that destroy() cuts gets ECANCELED, and so do those behind it', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const codes = [];
  const first = called((done) => client.write(Buffer.alloc(16 * MIB), (error) => done(codes.push(error.code))));
  client.write('x', (error) => codes.push(error.code));
  client.destroy();
  await Promise.all([first, close(client)]);
  assert.deepEqual(codes, ['ECANCELED', 'ECANCELED']);
}, { since: 22 });

both('bytes that the kernel has not taken yet are those of the buffer as it is then', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const whole = Buffer.alloc(32 * MIB, 'a');
  client.write(whole);
  client.end();
  await pause(50);
  whole.fill('b');
  const received = await all(peer);
  assert.equal(received.length, whole.length);
  assert.equal(String(received.subarray(0, 4) + received.subarray(-4)), 'aaaabbbb');
});

both('setTimeout with a write that waits: it comes once', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  client.setTimeout(50);
  const seen = record(client, 'timeout');
  client.write(Buffer.alloc(16 * MIB));
  await once(client, 'timeout');
  await pause(300);
  assert.deepEqual(seen, ['timeout']);
});

both('setTimeout with a write that waits: the time asked for, which bytes that the kernel takes later begin anew', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.pause();
  const seen = record(client, 'timeout');
  client.setTimeout(1e6);
  client.write(Buffer.alloc(16 * MIB));
  await pause(50);
  // A thread may have gone on sending after the write.
  if (isInline) client._onTimeout();
  else await eventually(() => (client._onTimeout(), seen.length > 0));
  assert.deepEqual(seen, ['timeout']);
  // The peer takes much more than the kernel holds.
  let begun = 0;
  client._unrefTimer = () => (begun += 1);
  let taken = 0;
  while (taken < 6 * MIB) {
    taken += (peer.read() ?? '').length;
    await pause(1);
  }
  await eventually(() => begun > 0);
  assert.ok(client.writableLength > 0);
}, { differs: 'a slow reader does not hold it off, and it comes after twice the time' });

both('setTimeout when idle: once for each activity; 0 ends it', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const heard = [];
  client.setTimeout(30, () => heard.push('callback'));
  assert.equal(client.timeout, 30);
  await once(client, 'timeout');
  await pause(150);
  assert.deepEqual(heard, ['callback']);
  client.resume();
  peer.write('x');
  await once(client, 'timeout');
  client.setTimeout(0);
  peer.write('x');
  await once(client, 'data');
  await pause(100);
  assert.deepEqual([heard, client.timeout], [['callback'], 0]);
});

both('a setTimeout that is none is refused', async (t, net) => {
  const socket = new net.Socket();
  assert.throws(() => socket.setTimeout('100'), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
  assert.throws(() => socket.setTimeout(-1), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' });
  assert.throws(() => socket.setTimeout(1, 'x'), { code: 'ERR_INVALID_ARG_TYPE' });
});

both('a write of the peer after a reset is an error with its names', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const broken = failure(peer);
  client.resetAndDestroy();
  const error = await broken;
  assert.deepEqual([error.errno, error.syscall, error.message], [-104, 'read', 'read ECONNRESET']);
});

both('setNoDelay, setKeepAlive, ref, unref and setEncoding answer the socket; options that are none throw', async (t, net) => {
  const { client } = await pair(t, net);
  for (const call of ['setNoDelay', 'setKeepAlive', 'ref', 'unref', 'pause', 'resume']) assert.equal(client[call](), client);
  assert.equal(client.setKeepAlive(true, 1500), client);
  assert.throws(() => new net.Socket({ objectMode: true }), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => client.write(5), { code: 'ERR_INVALID_ARG_TYPE' });
});

both('a keep-alive that the kernel does not take is no error, neither of the call nor of who is accepted', async (t, net) => {
  const delay = 40_000_000;
  const { client, peer } = await pair(t, net, { ofServer: { keepAlive: true, keepAliveInitialDelay: delay }, ofClient: { keepAlive: true, keepAliveInitialDelay: delay } });
  assert.equal(client.setKeepAlive(false), client);
  assert.equal(client.setKeepAlive(true, delay), client);
  peer.end('accepted');
  assert.equal(String(await all(client)), 'accepted');
});

both('onread with an empty buffer: ENOBUFS', async (t, net) => {
  const server = await listen(t, net);
  server.on('connection', (socket) => socket.write('x'));
  const callback = () => assert.fail('called');
  for (const buffer of [Buffer.alloc(0), () => Buffer.alloc(0)]) {
    const client = net.connect({ port: server.address().port, host: '127.0.0.1', onread: { buffer, callback } });
    const error = await failure(client);
    assert.deepEqual([error.message, error.errno, error.syscall], ['read ENOBUFS', -105, 'read']);
    await close(client);
  }
});

both('what stands in the same turn arrives in order with what is corked', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const received = all(peer);
  client.write('a');
  client.cork();
  client.write('b');
  client.write('c');
  client.uncork();
  client.end('d');
  assert.equal(String(await received), 'abcd');
});

both('pipe: a stream goes through two sockets', async (t, net) => {
  const server = await listen(t, net, { allowHalfOpen: true });
  server.on('connection', (socket) => socket.pipe(socket));
  const client = net.connect(server.address().port, '127.0.0.1');
  const sent = Buffer.alloc(8 * MIB, 'pipe');
  client.end(sent);
  assert.ok(sent.equals(await all(client)));
});
