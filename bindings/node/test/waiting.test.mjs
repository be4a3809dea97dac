// Input that waits for the handler.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const { Waiting } = createRequire(import.meta.url)('../lib/waiting.js');

const waiter = (number, piece) => ({ input: number, give() {}, piece });

test('what waits comes in order, however much of it comes and goes', () => {
  const waiting = new Waiting();
  const [came, went] = [[], []];
  for (let round = 0; round < 5000; round += 1) {
    // Three come for every two that go, and then all go.
    for (let count = 0; count < 3; count += 1) came.push(came.length) && waiting.push(waiter(came.length - 1));
    for (let count = 0; count < 2; count += 1) went.push(waiting.shift().input);
    assert.equal(waiting.first.input, went.length);
  }
  assert.equal(waiting.length, 5000);
  while (waiting.length > 0) went.push(waiting.shift().input);
  assert.deepEqual(went, came);
  assert.equal(waiting.shift(), undefined);
  assert.equal(waiting.first, undefined);
});

test('of what waits, what came of the stream can be taken out; the rest stays in order', () => {
  const waiting = new Waiting();
  for (let number = 0; number < 4000; number += 1) waiting.push(waiter(number, number % 3 === 0 ? undefined : Buffer.from(`${number};`)));
  for (let number = 0; number < 1500; number += 1) waiting.shift();
  const left = Array.from({ length: 2500 }, (_, at) => at + 1500);
  assert.equal(Buffer.concat(waiting.takePieces()).toString(), left.filter((number) => number % 3 !== 0).map((number) => `${number};`).join(''));
  const rest = [];
  while (waiting.length > 0) rest.push(waiting.shift().input);
  assert.deepEqual(rest, left.filter((number) => number % 3 === 0));
});
