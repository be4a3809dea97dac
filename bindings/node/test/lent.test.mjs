// Much that comes at once is lent to JavaScript instead of copied: nobody sees the memory afterwards, and what users get is
// their own all the same (D2).
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

import { LOOPBACK, ONE_LOOP, connect, deferred, serve } from './support.mjs';

const require = createRequire(import.meta.url);
const addon = require('../lib/addon.js');
const { checkedOptions } = require('../lib/options.js');

const CLIENTS = 4;
const SIZE = 40_000;
/** The bytes of a client in a round: each its own. */
const block = (client, round) => Buffer.alloc(SIZE, client * 50 + (round % 50));

/** So much is lent. */
const LENT = 1 << 16;

/** Lets the loop gather for this thread, which sleeps. */
const gather = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);

/** All clients send at once. */
function sendAll(sockets, round) {
  sockets.forEach((socket, client) => socket.write(block(client, round)));
  gather();
}

test('what fits is put into memory that is kept; memory that was lent is empty once the log was handled', async (t) => {
  const server = addon.createServer({ ...checkedOptions(ONE_LOOP), commands: false });
  const DATA = addon.recordKinds().find(({ name }) => name === 'data').number;
  const ended = deferred();
  const logs = [];
  let received = 0;
  const kept = [new Uint32Array(1000), Buffer.alloc(2 * SIZE)];
  const deliver = (records, length, words = kept[0], bytes = kept[1]) => {
    if (records === 0) return ended.resolve();
    assert.equal(bytes === kept[1], length <= kept[1].length);
    const data = [];
    for (let at = 0; at < records * addon.recordWords(); at += addon.recordWords()) {
      if (words[at] !== DATA) continue;
      data.push(Buffer.from(bytes.subarray(words[at + 3], words[at + 4])));
    }
    received += length;
    logs.push({ bytes, data, length });
  };
  const address = server.listen(LOOPBACK, []);
  assert.equal(server.start(() => 0, deliver, ...kept), null);
  const sockets = [];
  for (let client = 0; client < CLIENTS; client += 1) sockets.push(await connect(t, { addresses: [address] }));
  const sent = async (bytes) => {
    while (received < bytes) await new Promise(setImmediate);
  };
  const isLent = ({ length }) => length > kept[1].length;
  let expected = 0;
  for (let round = 0; !logs.some((log) => isLent(log) && log.data.length > 1); round += 1) {
    sendAll(sockets, round);
    await sent((expected += CLIENTS * SIZE));
  }
  server.stop();
  await ended.promise;
  server.release();
  for (const log of logs) {
    assert.equal(log.bytes.length, isLent(log) ? 0 : kept[1].length);
    assert.ok(log.data.every((data) => data.length <= log.length));
  }
});

test('what users get of it is their own, stays as it is, and can be transferred', async (t) => {
  const parts = new Map();
  const bytesOf = (conn) => parts.get(conn).reduce((sum, part) => sum + part.length, 0);
  const server = await serve(t, {
    onOpen: (conn) => void parts.set(conn, []),
    onData: (conn, data) => void parts.get(conn).push(data),
  }, { loops: 1 });
  const sockets = [];
  for (let client = 0; client < CLIENTS; client += 1) sockets.push(await connect(t, server));
  const ROUNDS = 5;
  for (let round = 0; round < ROUNDS; round += 1) {
    sendAll(sockets, round);
    while ([...parts.keys()].some((conn) => bytesOf(conn) < (round + 1) * SIZE) || parts.size < CLIENTS) {
      await new Promise(setImmediate);
    }
  }
  const streams = [...parts.values()].map((given) => {
    for (const part of given) assert.deepEqual([part.byteOffset, part.buffer.byteLength], [0, part.length]);
    return Buffer.concat(given);
  });
  const expected = sockets.map((_, client) => Buffer.concat(Array.from({ length: ROUNDS }, (__, at) => block(client, at))));
  streams.sort((one, other) => one[0] - other[0]);
  assert.equal(streams.every((stream, client) => stream.equals(expected[client])), true);
  const { port1, port2 } = new MessageChannel();
  const part = [...parts.values()][0][0];
  port1.postMessage(part, [part.buffer]);
  assert.equal(part.length, 0);
  port1.close();
  port2.close();
});

test('a large frame with an empty one beside it is the user\'s own, too', async (t) => {
  const frames = [];
  const handler = { onData: (conn, data) => void frames.push(data) };
  const server = await serve(t, handler, { loops: 1, readBudget: 1 << 20 }, `${LOOPBACK}?framing=line`);
  const socket = await connect(t, server);
  const line = 'x'.repeat(LENT);
  socket.write(`${line}\n\n`);
  while (frames.length < 2) await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(frames.map((frame) => frame.length), [LENT, 0]);
  assert.equal(frames[0].toString(), line);
});
