// The kinds of records: the dispatcher knows them by the numbers that the addon tells.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

const require = createRequire(import.meta.url);
const addon = require('../lib/addon.js');
const { Dispatcher } = require('../lib/dispatcher.js');

const KINDS = new Map(addon.recordKinds().map(({ number, name }) => [name, number]));
const FRAME = 1 << 16;

/** Handles records of connection 1, given as kind and two numbers, and returns what was called. */
function deliver(records, bytes = Buffer.alloc(0)) {
  const calls = [];
  const note = (name) => (...args) => void calls.push([name, ...args.slice(1).map(String)].join(' '));
  const native = { close: (high, low) => (calls.push(`close ${high}:${low}`), null), isOpen: () => true };
  const names = ['onOpen', 'onData', 'onDrain', 'onClose', 'onError'];
  const dispatcher = new Dispatcher(native, Object.fromEntries(names.map((name) => [name, note(name)])));
  const words = records.flatMap(([kind, first = 0, second = 0]) => [kind, 1, 1, first, second]);
  dispatcher.deliver(records.length, bytes.length, Uint32Array.from(words), bytes);
  return calls;
}

test('the numbers of kinds are what they were', () => {
  const kinds = { open: 0, data: 1, drain: 2, close: 3, eof: 4, wake: 5, timer: 6, tick: 7, stopping: 8, completed: 9, command: 10, about: 11, datagram: 12, detached: 13, 'cut off': 14, hold: 0x8000, release: 0x8001, pause: 0x8002, resume: 0x8003, detach: 0x8004, ended: 0x8005 };
  assert.deepEqual(Object.fromEntries(KINDS), kinds);
  assert.equal(addon.recordWords(), 5);
});

test('a flag changes nothing about whose event it is', () => {
  const calls = deliver([[KINDS.get('open')], [KINDS.get('data') | FRAME, 0, 2]], Buffer.from('ab'));
  assert.deepEqual(calls, ['onOpen', 'onData ab']);
});

test('an end of file closes, as nobody here could end the other side', () => {
  const records = [[KINDS.get('open')], [KINDS.get('eof')], [KINDS.get('drain')], [KINDS.get('close'), 3]];
  assert.deepEqual(deliver(records), ['onOpen', 'close 1:1', 'onClose local close null']);
});

test('what nobody here asks for is no event of the handler\'s', () => {
  const others = ['wake', 'timer', 'tick', 'stopping'].map((name) => [KINDS.get(name)]);
  assert.deepEqual(deliver([[KINDS.get('open')], ...others]), ['onOpen']);
});
