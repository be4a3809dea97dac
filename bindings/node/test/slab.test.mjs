// What the user gets of a log's bytes (D2): small pieces share memory, which nobody writes to and which cannot be transferred.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

import { connect, read, serve, takeAway } from './support.mjs';

const require = createRequire(import.meta.url);
const { Slab } = require('../lib/slab.js');

const OWN = 4096;
const SHARED = 1 << 16;

/** A log whose bytes are all different from their neighbours. */
const log = (length) => Buffer.from(Uint8Array.from({ length }, (_, at) => at % 251).buffer);

test('the only piece has memory of its own', () => {
  for (const size of [10, 100_000]) {
    const bytes = log(size);
    const piece = new Slab(bytes, size).take(0, size);
    assert.deepEqual(piece, bytes);
    assert.deepEqual([piece.buffer === bytes.buffer, piece.byteOffset, piece.buffer.byteLength], [false, 0, size]);
  }
});

test('small pieces share memory that is not the log\'s; large ones have their own', () => {
  const bytes = log(20_000);
  const slab = new Slab(bytes, bytes.length);
  const [first, second, large, empty] = [[0, 10], [10, OWN + 9], [OWN, 2 * OWN], [50, 50]].map((range) => slab.take(...range));
  for (const [piece, from] of [[first, 0], [second, 10], [large, OWN], [empty, 50]]) {
    assert.ok(Buffer.isBuffer(piece));
    assert.deepEqual(piece, bytes.subarray(from, from + piece.length));
  }
  assert.ok(first.buffer === second.buffer && first.buffer !== bytes.buffer);
  assert.deepEqual([large.byteOffset, large.buffer.byteLength], [0, OWN]);
  assert.equal(empty.length, 0);
});

test('who takes the memory of a piece takes it from none that comes', () => {
  const bytes = log(100);
  const slab = new Slab(bytes, bytes.length);
  for (let at = 0; at < 100; at += 10) {
    const piece = slab.take(at, at + 10);
    assert.deepEqual(piece, bytes.subarray(at, at + 10));
    takeAway(piece);
  }
});

test('pieces of a log that is lent are copied, and share no more than so much', () => {
  const bytes = log(3 * SHARED);
  const slab = new Slab(bytes, bytes.length);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 1000) pieces.push(slab.take(at, Math.min(at + 1000, bytes.length)));
  const expected = Buffer.from(bytes);
  // What the addon does when it is given back.
  bytes.fill(0);
  assert.deepEqual(Buffer.concat(pieces), expected);
  const memories = new Set(pieces.map(({ buffer }) => buffer));
  assert.ok(memories.size >= 3 && memories.size <= 5, `${memories.size} memories`);
  for (const { byteLength } of memories) assert.ok(byteLength <= SHARED);
});

test('a piece outlives the logs after it, and nobody can take the others\' bytes by transferring it', async (t) => {
  const pieces = [];
  const server = await serve(t, {
    onData(conn, data) {
      pieces.push(data);
      conn.write('.');
    },
  }, { loops: 1 }, 'tcp://127.0.0.1:0?framing=line');
  const socket = await connect(t, server);
  for (let round = 0; round < 50; round += 1) {
    socket.write(`a${round}\nb${round}\n`);
    await read(socket, 2);
  }
  const { port1, port2 } = new MessageChannel();
  for (const piece of pieces.filter(({ byteLength, buffer }) => byteLength < buffer.byteLength)) {
    try {
      port1.postMessage(piece, [piece.buffer]);
    } catch (error) {
      assert.equal(error.name, 'DataCloneError');
    }
  }
  port1.close();
  port2.close();
  const expected = Array.from({ length: 50 }, (_, round) => [`a${round}`, `b${round}`]).flat();
  assert.deepEqual(pieces.map(String), expected);
});
