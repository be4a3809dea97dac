import assert from 'node:assert/strict';
import test from 'node:test';

import { Action, CloseReason } from 'reactor-engine';

import { connect, deferred, loopsOf, readAll, serve } from './support.mjs';

/** The ways to stop from a callback. */
const WAYS = {
  'the action stop': () => Action.Stop,
  'a promise of the action stop': async () => Action.Stop,
  'a call of stop': (server) => void server.stop(),
};

for (const [how, stop] of Object.entries(WAYS)) {
  for (const name of ['onOpen', 'onData', 'onDrain', 'onClose']) {
    test(`S2 L1: ${how} in ${name} ends every connection, then the server`, async (t) => {
      const calls = [];
      const drains = [deferred(), deferred()];
      const drained = drains.map(({ promise }) => promise);
      const handler = {
        onOpen: (conn) => void conn.write(Buffer.alloc(100)),
        onDrain: () => void drains.shift().resolve(),
        onClose: (conn, reason) => void calls.push(reason),
        onStop: () => void calls.push('stop'),
      };
      const server = await serve(t, handler, { loops: 2, highWater: 10, lowWater: 5 });
      await Promise.all([connect(t, server), connect(t, server)]);
      await Promise.all(drained);
      const before = name === 'onDrain' ? undefined : handler[name];
      handler.onDrain = undefined;
      handler[name] = (...args) => (before?.(...args), stop(server));
      const socket = await connect(t, server);
      socket.end('x');
      await Promise.all([readAll(socket), server.wait()]);
      assert.equal(calls.length, 4);
      assert.equal(calls.pop(), 'stop');
      const shutdowns = calls.filter((reason) => reason === CloseReason.Shutdown).length;
      const eofs = calls.filter((reason) => reason === CloseReason.Eof).length;
      assert.equal(shutdowns + eofs, 3);
      assert.ok(shutdowns >= 2, `the idle connections end with shutdown: ${calls}`);
    });
  }
}

test('S1: onStop comes last, once, and before the promises resolve', async (t) => {
  const calls = [];
  const server = await serve(t, {
    onClose: () => void calls.push('close'),
    onStop: (self) => void calls.push(`stop ${self.connections}`),
  }, { loops: 2 });
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(t, server)));
  const ends = clients.map(readAll);
  const wait = server.wait().then(() => calls.push('wait'));
  await Promise.all([server.stop(), server.stop(), wait]);
  await Promise.all(ends);
  const closes = calls.filter((call) => call === 'close').length;
  assert.deepEqual(calls.slice(closes), ['stop 0', 'wait']);
  await server.stop();
  assert.equal(calls.length, closes + 2);
});

test('D1: what was written before the stop arrives', async (t) => {
  const opened = deferred();
  const server = await serve(t, { onOpen: opened.resolve });
  const socket = await connect(t, server);
  const conn = await opened.promise;
  conn.write('last words');
  await server.stop();
  assert.equal((await readAll(socket)).toString(), 'last words');
});

test('the addresses and loops can be read after the stop', async (t) => {
  const server = await serve(t, {}, { loops: 2 });
  const before = server.addresses;
  await server.stop();
  assert.deepEqual([server.addresses, server.loops], [before, loopsOf(2)]);
});

for (const [how, stop] of Object.entries(WAYS)) {
  test(`D4: what a callback has written and detached before ${how} is carried out`, async (t) => {
    // What is asked for in a callback goes together, and the server could be faster.
    for (let round = 0; round < 40; round += 1) {
      const [told, first] = [[], deferred()];
      const server = await serve(t, {
        onOpen: (conn) => first.resolve(conn),
        onData(conn) {
          other.write('one');
          other.detach();
          conn.write('two', (error) => void told.push(error));
          return stop(server);
        },
        onDetach: (conn, detached) => void detached.toSocket().end(' by itself'),
        onError: assert.fail,
      });
      const sockets = [await connect(t, server)];
      const other = await first.promise;
      sockets.push(await connect(t, server));
      sockets[1].write('x');
      assert.deepEqual((await Promise.all(sockets.map(readAll))).map(String), ['one by itself', 'two']);
      await server.wait();
      assert.deepEqual(told, [null]);
    }
  });
}
