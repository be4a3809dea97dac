// What the callbacks write crosses the border together (D1): nothing that could be refused, and before whatever else is asked for.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

import { Action } from 'reactor-engine';

const require = createRequire(import.meta.url);
const { Dispatcher } = require('../lib/dispatcher.js');

const [OPEN, DATA] = [0, 1];
const [AT_ONCE, GATHERED] = [0, 1];
const LONG = 2048;
const SIZE = 1 << 16;
const BYTES = Buffer.from('ab');

/** A dispatcher over an addon that notes what it is asked for, and a way to hand over data of these connections. */
function dispatching(onData, { room = 1 << 20, refuse = () => 0, ...more } = {}) {
  const calls = [];
  const note = (name, answer) => (high, low, bytes) => {
    calls.push([name, low, bytes instanceof Uint8Array ? String(bytes) : undefined].filter((part) => part !== undefined).join(' '));
    return answer;
  };
  const addon = {
    write: note('write', true), writev: note('writev', true), room: note('room', room), end: note('end', null),
    close: note('close', null), fail: note('fail', null), wake: note('wake', null), isOpen: () => true, stop: () => void calls.push('stop'),
    detach: note('detach', null), setFraming: note('setFraming', null),
    writeMerged(words, count, bytes) {
      let from = 0;
      let refused = 0;
      for (let at = 0; at < count * 4; at += 4) {
        const [, low, to, writes] = words.subarray(at, at + 4);
        calls.push(`merged ${low} ${Buffer.from(bytes.subarray(from, to))} ${writes}`);
        from = to;
        words[at + 3] = refuse(low);
        refused += words[at + 3] > 0 ? 1 : 0;
      }
      return refused;
    },
  };
  const onError = (error, conn) => void calls.push(`onError ${error.code} ${conn.id.low}`);
  const dispatcher = new Dispatcher(addon, { onData, onError, ...more });
  const deliver = (lows, how = GATHERED) => {
    const words = lows.flatMap((low) => [DATA, 1, low, 0, 2]);
    dispatcher.deliver(lows.length, BYTES.length, Uint32Array.from([...words, how]), BYTES);
  };
  dispatcher.deliver(2, 0, Uint32Array.from([OPEN, 1, 1, 0, 0, OPEN, 1, 2, 0, 0, AT_ONCE]), BYTES);
  return { calls, deliver, dispatcher };
}

test('D1: neighbours of one connection become one, in order with the others', () => {
  const { calls, deliver } = dispatching((conn) => (assert.equal(conn.write(`<${conn.id.low}>`), true), conn.writev(['x', 'y']), undefined));
  deliver([1, 1, 2, 1]);
  assert.deepEqual(calls, ['room 1', 'merged 1 <1>xy<1>xy 4', 'room 2', 'merged 2 <2>xy 2', 'merged 1 <1>xy 2']);
});

test('D5: a write is made at once where it may be refused, and what it answers is told', () => {
  for (const [how, bytes, room] of [[AT_ONCE, 'x', SIZE], [GATHERED, 'x'.repeat(LONG), SIZE], [GATHERED, '', SIZE], [GATHERED, 'xx', 1]]) {
    const { calls, deliver } = dispatching((conn) => void conn.write(bytes), { room });
    deliver([1], how);
    assert.deepEqual(calls.filter((call) => !call.startsWith('room')), [`write 1 ${bytes}`]);
  }
});

test('D5: room is asked for when what was known of is used up, by whatever way', () => {
  const { calls, deliver } = dispatching((conn) => void conn.write('12345678'), { room: 20 });
  deliver([1]);
  assert.deepEqual(calls.splice(0), ['room 1', 'merged 1 12345678 1']);
  deliver([1], AT_ONCE);
  deliver([1]);
  assert.deepEqual(calls.splice(0), ['write 1 12345678', 'room 1', 'merged 1 12345678 1']);
});

test('D1: what is asked for comes behind what was written before', () => {
  const asked = {
    end: (conn) => conn.end(),
    close: (conn) => conn.close(),
    wake: (conn) => conn.wake(),
    detach: (conn) => conn.detach(),
    'detach ': () => Action.Detach,
    setFraming: (conn) => conn.setFraming('line'),
    'close ': () => Action.Close,
    stop: () => Action.Stop,
    'write 1 ': (conn) => void conn.write('y'.repeat(LONG)),
  };
  for (const [name, ask] of Object.entries(asked)) {
    const { calls, deliver } = dispatching((conn) => (conn.write('x'), ask(conn)));
    deliver([1]);
    assert.equal(calls[1], 'merged 1 x 1', name);
    assert.ok(calls[2].startsWith(name.trim()), calls[2]);
  }
});

test('D1: what is gathered has a bound, and no byte is lost at it', () => {
  const { calls, deliver } = dispatching((conn) => void conn.write(String(conn.id.low).repeat(LONG - 1)));
  deliver(Array.from({ length: 100 }, (_, at) => 1 + (at % 2)));
  const merged = calls.filter((call) => call.startsWith('merged')).map((call) => call.split(' '));
  const lengths = merged.map(([, low, bytes]) => (assert.equal(bytes, low.repeat(bytes.length)), bytes.length));
  assert.equal(lengths.reduce((sum, length) => sum + length, 0), 100 * (LONG - 1));
  assert.deepEqual(new Set(merged.map(([, low]) => low)), new Set(['1', '2']));
});

test('D5: bytes that found no room although there was some end their connection, and are told of; those of a closed one are not', () => {
  const FULL = 2;
  const CLOSED = 1;
  const { calls, deliver } = dispatching((conn) => void conn.write('x'), { refuse: (low) => (low === 1 ? FULL : CLOSED) });
  deliver([1, 2]);
  assert.deepEqual(calls.slice(-2), ['fail 1', 'onError FULL 1']);
  assert.equal(calls.some((call) => call.startsWith('fail 2')), false);
});

test('D1: outside of a batch a write is made at once', async () => {
  let kept;
  const { calls, deliver } = dispatching((conn) => void (kept = conn));
  deliver([1]);
  kept.write('later');
  assert.deepEqual(calls, ['write 1 later']);
});
