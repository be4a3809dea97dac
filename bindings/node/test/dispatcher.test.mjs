// The batched side of L4, with batches made by hand: what a batch still holds for a closed connection is dropped.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'node:test';

import { Action } from 'reactor-engine';

import { takeAway } from './support.mjs';

const require = createRequire(import.meta.url);
const { Dispatcher } = require('../lib/dispatcher.js');
const { ReactorError } = require('../lib/error.js');

const [OPEN, DATA, DRAIN, CLOSE, EOF] = [0, 1, 2, 3, 4];
const BYTES = Buffer.from('abcdef');

/** Connection 1 and 2 open; each gets data and a drain; then both close. */
const BATCH = [
  [OPEN, 1, 1, 0, 0],
  [OPEN, 1, 2, 0, 0],
  [DATA, 1, 1, 0, 2],
  [DATA, 1, 2, 2, 4],
  [DATA, 1, 1, 4, 6],
  [DRAIN, 1, 1, 0, 0],
  [DRAIN, 1, 2, 0, 0],
  [CLOSE, 1, 1, 2, 104],
  [CLOSE, 1, 2, 1, 0],
];

/** What the addon says to a write. */
let refusal;

/** Runs a batch and returns what was called: of the handler, and of the addon. */
function deliver(overrides, events = BATCH, isOpen = true) {
  const calls = [];
  const record = (name) => (high, low) => (calls.push(`${name} ${high}:${low}`), null);
  const write = () => refusal;
  const addon = { close: record('close'), fail: record('fail'), stop: () => calls.push('stop'), isOpen: () => isOpen, write, writeThen: () => true };
  const note = (name) => (conn, ...rest) => {
    calls.push([name, conn.id.low, ...rest.map(String)].join(' '));
    return overrides[name]?.(conn, ...rest);
  };
  const handler = Object.fromEntries(['onOpen', 'onData', 'onDrain', 'onClose'].map((name) => [name, note(name)]));
  handler.onError = (error, conn) => calls.push(`onError ${error.message} ${conn?.id.low}`);
  new Dispatcher(addon, handler).deliver(events.length, BYTES.length, Uint32Array.from(events.flat()), BYTES);
  return calls;
}

const CLOSES = ['onClose 1 reset 104', 'onClose 2 eof null'];

test('a batch is called event by event, in order, each with its own bytes', () => {
  const calls = ['onOpen 1', 'onOpen 2', 'onData 1 ab', 'onData 2 cd', 'onData 1 ef', 'onDrain 1', 'onDrain 2'];
  assert.deepEqual(deliver({}), [...calls, ...CLOSES]);
});

test('to take away the memory of an onData takes it from none after it', () => {
  const calls = deliver({
    onData: (conn, data) => takeAway(data),
  });
  assert.deepEqual(calls.filter((call) => call.startsWith('onData')), ['onData 1 ab', 'onData 2 cd', 'onData 1 ef']);
  assert.equal(BYTES.toString(), 'abcdef');
});

test('the bytes of a batch with one event of data are a copy, too: the package may use the memory again', () => {
  let given;
  deliver({ onData: (conn, data) => void (given = data) }, [[OPEN, 1, 1, 0, 0], [DATA, 1, 1, 0, 6]]);
  assert.ok(given.equals(BYTES) && given.buffer !== BYTES.buffer);
});

test('one that was made keeps its place and its data while one before it in its slot has yet to begin and end', () => {
  const [calls, addon] = [[], { isOpen: () => true }];
  const note = (name) => (conn) => void calls.push(`${name} ${conn.id.high} ${conn.data}`);
  const dispatcher = new Dispatcher(addon, { onOpen: note('onOpen'), onData: note('onData'), onClose: note('onClose') });
  const made = dispatcher.made(3, 7);
  made.data = 'ours';
  const events = [1, 2, 3].flatMap((high) => [[OPEN, high, 7, 0, 0], [DATA, high, 7, 0, 2], [CLOSE, high, 7, 1, 0]]);
  dispatcher.deliver(events.length, BYTES.length, Uint32Array.from(events.flat()), BYTES);
  const of = (high, data) => ['onOpen', 'onData', 'onClose'].map((name) => `${name} ${high} ${data}`);
  assert.deepEqual(calls, [...of(1, undefined), ...of(2, undefined), ...of(3, 'ours')]);
});

const bad = () => { throw new Error('trap'); };
/** Throws at everything that is done with it, but is an object. */
const hostile = () => new Proxy({}, { getPrototypeOf: bad, get: bad, has: bad, ownKeys: bad, getOwnPropertyDescriptor: bad });

test('R4: a thrown value at which every look throws is reported, and the batch goes on', () => {
  for (const isOpen of [true, false]) {
    const calls = deliver({ onOpen: (conn) => { if (conn.id.low === 1) throw hostile(); } }, BATCH, isOpen);
    assert.deepEqual(calls, [
      'onOpen 1', 'fail 1:1', 'onError a callback threw a value that cannot be shown 1',
      'onOpen 2', 'onData 2 cd', 'onDrain 2', ...CLOSES,
    ]);
  }
});

test('R4: whatever escapes from an event is a warning, and the batch goes on', (t) => {
  const warned = t.mock.method(process, 'emitWarning', () => { throw new Error('replaced'); });
  const calls = [];
  const addon = { fail: () => { throw new Error('escaped'); }, isOpen: () => true };
  const handler = { onOpen: (conn) => { calls.push(conn.id.low); if (conn.id.low === 1) throw new Error('boom'); } };
  new Dispatcher(addon, handler).deliver(BATCH.length, BYTES.length, Uint32Array.from(BATCH.flat()), BYTES);
  assert.deepEqual(calls, [1, 2]);
  assert.deepEqual(warned.mock.calls.map((call) => call.arguments[0].message), ['escaped']);
});

test('L4: after Action.Close the rest is dropped, except onClose, and only for that connection', () => {
  const calls = deliver({ onData: (conn) => (conn.id.low === 1 ? Action.Close : Action.None) });
  const expected = ['onOpen 1', 'onOpen 2', 'onData 1 ab', 'close 1:1', 'onData 2 cd', 'onDrain 2', ...CLOSES];
  assert.deepEqual(calls, expected);
});

test('L4: the same after conn.close(), from a callback of another connection, too', () => {
  let first;
  const calls = deliver({
    onOpen: (conn) => void (first ??= conn),
    onData: (conn) => void (conn.id.low === 2 && first.close()),
  });
  const expected = ['onOpen 1', 'onOpen 2', 'onData 1 ab', 'onData 2 cd', 'close 1:1', 'onDrain 2', ...CLOSES];
  assert.deepEqual(calls, expected);
});

test('L4: the same after a failure', () => {
  const calls = deliver({ onOpen: (conn) => { if (conn.id.low === 1) throw new Error('boom'); } });
  const expected = ['onOpen 1', 'fail 1:1', 'onError boom 1', 'onOpen 2', 'onData 2 cd', 'onDrain 2', ...CLOSES];
  assert.deepEqual(calls, expected);
});

test('L4: and in later batches', () => {
  const calls = [];
  const addon = { close: () => null };
  const dispatcher = new Dispatcher(addon, { onData: (conn, data) => (calls.push(`${data}`), Action.Close) });
  dispatcher.deliver(2, BYTES.length, Uint32Array.from([OPEN, 1, 1, 0, 0, DATA, 1, 1, 0, 2]), BYTES);
  dispatcher.deliver(1, BYTES.length, Uint32Array.from([DATA, 1, 1, 2, 6]), BYTES);
  assert.deepEqual(calls, ['ab']);
});

test('a slot that is used again in the same batch is another connection', () => {
  const events = [[OPEN, 1, 1, 0, 0], [CLOSE, 1, 1, 1, 0], [OPEN, 2, 1, 0, 0], [DATA, 2, 1, 0, 6], [CLOSE, 2, 1, 1, 0]];
  const conns = [];
  const calls = deliver({ onOpen: (conn) => void conns.push(conn) }, events);
  assert.deepEqual(calls, ['onOpen 1', 'onClose 1 eof null', 'onOpen 1', 'onData 1 abcdef', 'onClose 1 eof null']);
  assert.deepEqual(conns.map((conn) => String(conn.id)), ['4294967297', '8589934593']);
});

test('a close reason that is not known yet is told by its number', () => {
  const calls = deliver({}, [[OPEN, 1, 1, 0, 0], [CLOSE, 1, 1, 77, 0]]);
  assert.deepEqual(calls, ['onOpen 1', 'onClose 1 reason 77 null']);
});

test('R4: a write to a connection that the peer has ended meanwhile is no failure', () => {
  const events = BATCH.filter(([, , low]) => low === 1);
  const fail = (code) => (conn) => {
    refusal = { code, message: code };
    conn.write('x');
  };
  assert.deepEqual(deliver({ onData: fail('CLOSED') }, events, false), [
    'onOpen 1', 'onData 1 ab', 'onClose 1 reset 104',
  ]);
  // Another error is one, and so is the same one while the connection is open.
  for (const [code, isOpen] of [['FULL', false], ['CLOSED', true]]) {
    const calls = deliver({ onData: fail(code) }, events, isOpen);
    assert.ok(calls.includes(`onError ${code} 1`), calls.join());
  }
  // Nor is it the failure of something else that looks the same.
  const calls = deliver({ onData: () => { throw new ReactorError('CLOSED', 'mine'); } }, events, false);
  assert.ok(calls.includes('onError mine 1'), calls.join());
});

test('what write returned asks for nothing, and is reported once for each callback', () => {
  const calls = deliver({ onData: () => true, onDrain: () => false });
  const reports = calls.filter((call) => call.startsWith('onError'));
  assert.deepEqual(reports, [
    'onError onData must return an Action or nothing, not true 1', 'onError onDrain must return an Action or nothing, not false 1',
  ]);
  assert.deepEqual(calls.filter((call) => !reports.includes(call)), deliver({}));
});

/** A dispatcher whose addon notes holds and releases among the calls. */
function holding(handler) {
  const calls = [];
  const note = (name) => () => (calls.push(name), null);
  const addon = { holdConn: note('hold'), releaseConn: note('release'), close: note('close'), fail: note('fail'), isOpen: () => true };
  const noted = (name) => (conn, ...rest) => (calls.push([name, ...rest.map(String)].join(' ')), handler[name]?.(conn, ...rest));
  const all = Object.fromEntries(['onOpen', 'onData', 'onDrain', 'onClose'].map((name) => [name, noted(name)]));
  all.onError = (error) => calls.push(`onError ${error.message}`);
  const dispatcher = new Dispatcher(addon, all);
  return { calls, deliver: (...events) => dispatcher.deliver(events.length, BYTES.length, Uint32Array.from(events.flat()), BYTES) };
}

const later = () => new Promise((resolve) => setImmediate(resolve));

test('L8: input of a batch waits for the promise of the callback before it; onDrain does not', async () => {
  const waits = [];
  const { calls, deliver: give } = holding({ onData: () => new Promise((resolve) => waits.push(resolve)) });
  give([OPEN, 1, 1, 0, 0], [DATA, 1, 1, 0, 2], [DATA, 1, 1, 2, 4], [DRAIN, 1, 1, 0, 0], [EOF, 1, 1, 0, 0]);
  assert.deepEqual(calls, ['onOpen', 'onData ab', 'hold', 'onDrain']);
  waits[0]();
  await later();
  assert.deepEqual(calls.splice(4), ['onData cd', 'hold', 'release']);
  waits[1]();
  await later();
  assert.deepEqual(calls.splice(4), ['close', 'release']);
});

test('L8: what waits is dropped when the connection is gone, or closed by an answer', async () => {
  const { calls, deliver: give } = holding({ onData: async () => {} });
  give([OPEN, 1, 1, 0, 0], [DATA, 1, 1, 0, 2], [DATA, 1, 1, 2, 4], [CLOSE, 1, 1, 2, 104]);
  await later();
  assert.deepEqual(calls, ['onOpen', 'onData ab', 'hold', 'onClose reset 104', 'release']);

  const closing = holding({ onData: async () => Action.Close });
  closing.deliver([OPEN, 1, 1, 0, 0], [DATA, 1, 1, 0, 2], [DATA, 1, 1, 2, 4]);
  await later();
  assert.deepEqual(closing.calls, ['onOpen', 'onData ab', 'hold', 'close', 'release']);
});

test('L8: input waits for holds of the user, too, and never comes from inside the release', async () => {
  let held;
  const { calls, deliver: give } = holding({ onOpen: (conn) => (held = conn).hold() });
  give([OPEN, 1, 1, 0, 0], [DATA, 1, 1, 0, 6]);
  held.hold();
  held.release();
  assert.deepEqual(calls, ['onOpen', 'hold', 'hold', 'release']);
  held.release();
  assert.throws(() => held.release(), { code: 'WRONG_STATE', message: /is not held/ });
  assert.equal(calls.length, 4);
  await later();
  assert.deepEqual(calls.splice(4), ['onData abcdef', 'release']);
});

test('a callback of a write that is told only when its connection is gone fails like any, also by its promise', async () => {
  const fails = async (error) => {
    throw new Error(`told ${error.code}`);
  };
  const calls = deliver({ onOpen: (conn) => conn.write('x', fails) && undefined }, [[OPEN, 1, 1, 0, 0], [CLOSE, 1, 1, 1, 0]]);
  while (calls.length < 3) await immediate();
  assert.deepEqual(calls, ['onOpen 1', 'onClose 1 eof null', 'onError told CLOSED undefined']);
});
