// Batches that are kept apart, for a thread that has much else to do: `batchIntervalUs`.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ReactorError, Server } from 'reactor-engine';

import { connect, deferred, isInline, serve } from './support.mjs';

const APART = 300_000;

test('what comes within the interval waits for its end, and then comes together, in order', { skip: isInline }, async (t) => {
  const given = [deferred(), deferred()];
  let text = '';
  const onData = (conn, data) => {
    text += data;
    given[text === 'a' ? 0 : 1].resolve(performance.now());
  };
  const server = await serve(t, { onData }, { loops: 1, batchIntervalUs: APART });
  const socket = await connect(t, server);
  const began = performance.now();
  socket.write('a');
  await given[0].promise;
  socket.write('b');
  // Its batch is made after that of "a", which was not made before "a" was sent.
  assert.ok((await given[1].promise) - began >= APART / 1000);
  assert.equal(text, 'ab');
});

test('much that waits is handed over before the interval ends', { skip: isInline, timeout: 20_000 }, async (t) => {
  const SIZE = 32 << 20;
  const all = deferred();
  let received = 0;
  const onData = (conn, data) => {
    received += data.length;
    if (received === SIZE) all.resolve();
  };
  // One for each MiB would take longer than the test has.
  const server = await serve(t, { onData }, { loops: 1, batchIntervalUs: 1e6, readBudget: 4 << 20 });
  const socket = await connect(t, server);
  socket.write(Buffer.alloc(SIZE));
  await all.promise;
  assert.equal(received, SIZE);
});

test('R5: the interval is a whole number of microseconds, and no matter of mode \'inline\'', () => {
  for (const wrong of [-1, 0.5, 1e6 + 1, NaN]) {
    assert.throws(() => new Server({}, { batchIntervalUs: wrong }), (error) => error instanceof ReactorError && /batchIntervalUs/.test(error.message));
  }
  const inline = { mode: 'inline', batchIntervalUs: 100 };
  assert.throws(() => new Server({}, inline), (error) => error.code === 'INVALID_ARGUMENT' && /batchIntervalUs/.test(error.message));
});
