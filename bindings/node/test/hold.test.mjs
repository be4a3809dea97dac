// L8: connections that are held while an answer is made elsewhere, by a promise or by hand.
import assert from 'node:assert/strict';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { Action, CloseReason } from 'reactor-engine';

import { connect, deferred, read, readAll, serve } from './support.mjs';

const LINES = 'tcp://127.0.0.1:0?framing=line';

/** Ways for an answer to be late. */
const LATE = {
  'in a microtask': async () => {},
  'in a later microtask': async () => { for (let i = 0; i < 10; i += 1) await null; },
  'in a tick': () => new Promise((resolve) => process.nextTick(resolve)),
  'after an immediate': () => immediate(),
  'after a while': () => sleep(20),
};

for (const [when, wait] of Object.entries(LATE)) {
  test(`L5: an answer ${when} reaches a client that has half-closed`, async (t) => {
    const reasons = [];
    const server = await serve(t, {
      async onData(conn, data) {
        await wait();
        conn.write(`answer to ${data}`);
      },
      onClose: (conn, reason) => void reasons.push(reason),
      onError: (error) => assert.fail(error),
    }, { loops: 2 });
    const ask = async (number) => {
      const socket = await connect(t, server);
      socket.end(String(number));
      assert.equal((await readAll(socket)).toString(), `answer to ${number}`);
    };
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(Array.from({ length: 20 }, (_, number) => ask(number)));
    }
    await server.stop();
    assert.deepEqual(new Set(reasons), new Set([CloseReason.Eof]));
  });
}

test('L2: the next input waits until the promise of the callback before it has ended', async (t) => {
  const log = [];
  const server = await serve(t, {
    async onOpen() {
      log.push('open');
      await sleep(5);
      log.push('opened');
    },
    async onData(conn, data) {
      log.push(`begin ${data}`);
      await immediate();
      log.push(`end ${data}`);
      conn.write('.');
    },
  }, { loops: 1 }, LINES);
  const socket = await connect(t, server);
  // Frames of one read, and of later ones.
  socket.write('a\nb\nc\n');
  await read(socket, 3);
  socket.write('d\n');
  await read(socket, 1);
  const steps = ['a', 'b', 'c', 'd'].flatMap((name) => [`begin ${name}`, `end ${name}`]);
  assert.deepEqual(log, ['open', 'opened', ...steps]);
});

test('D5: a promise may wait for onDrain', async (t) => {
  const size = 24 << 20;
  const server = await serve(t, {
    async onData(conn) {
      if (!conn.write(Buffer.alloc(size, 'x'))) await new Promise((resolve) => (conn.data = resolve));
      conn.write('y');
    },
    onDrain: (conn) => void conn.data(),
  });
  const socket = await connect(t, server);
  socket.end('go');
  const all = await readAll(socket);
  assert.deepEqual([all.length, all.subarray(-2).toString()], [size + 1, 'xy']);
});

test('R4: a rejected promise closes its connection, and what came behind is not delivered', async (t) => {
  const [data, closed, errors] = [[], deferred(), []];
  const server = await serve(t, {
    async onData(conn, line) {
      data.push(String(line));
      await immediate();
      throw new Error('late');
    },
    onClose: (conn, reason) => closed.resolve(reason),
    onError: (error, conn) => void errors.push([error.message, conn?.isOpen]),
  }, { loops: 1 }, LINES);
  const socket = await connect(t, server);
  socket.end('first\nsecond\n');
  await readAll(socket);
  assert.equal(await closed.promise, CloseReason.HandlerError);
  assert.deepEqual([data, errors], [['first'], [['late', false]]]);
});

test('L4: the action that a promise resolves to counts before the next event', async (t) => {
  const [data, closed] = [[], deferred()];
  const server = await serve(t, {
    async onData(conn, line) {
      data.push(String(line));
      await immediate();
      conn.write('bye');
      return Action.Close;
    },
    onClose: (conn, reason) => closed.resolve(reason),
  }, { loops: 1 }, LINES);
  const socket = await connect(t, server);
  socket.end('first\nsecond\n');
  assert.equal((await readAll(socket)).toString(), 'bye');
  assert.equal(await closed.promise, CloseReason.LocalClose);
  assert.deepEqual(data, ['first']);
});

test('a reset and a stop end a connection whose promise has not ended', async (t) => {
  for (const end of ['reset', 'stop']) {
    const [busy, closed] = [deferred(), deferred()];
    const server = await serve(t, {
      onData: () => new Promise(() => busy.resolve()),
      onClose: (conn, reason) => closed.resolve(reason),
    });
    const socket = await connect(t, server);
    socket.write('x');
    await busy.promise;
    if (end === 'reset') socket.resetAndDestroy();
    else await server.stop();
    assert.equal(await closed.promise, end === 'reset' ? CloseReason.Reset : CloseReason.Shutdown);
    await server.stop();
  }
});

test('held by hand, by the connection and by its id, until released as often', async (t) => {
  const [opened, data] = [deferred(), []];
  const server = await serve(t, {
    onOpen: opened.resolve,
    onData(conn, line) {
      data.push(String(line));
      if (String(line) === 'hold') conn.hold();
      conn.write('.');
    },
  }, { loops: 1 }, LINES);
  const socket = await connect(t, server);
  const conn = await opened.promise;
  socket.end('hold\nmore\nlast\n');
  await read(socket, 1);
  server.hold(conn.id);
  conn.release();
  conn.write('written');
  assert.equal((await read(socket, 7)).toString(), 'written');
  assert.deepEqual(data, ['hold']);
  server.release(conn.id);
  assert.deepEqual(data, ['hold'], 'no callback comes from inside a call');
  assert.throws(() => conn.release(), { code: 'WRONG_STATE', message: /is not held: it was released as often as it was held/ });
  assert.equal((await readAll(socket)).toString(), '..');
  assert.deepEqual(data, ['hold', 'more', 'last']);
});

test('a hold of the user\'s cannot take back what a promise holds', async (t) => {
  const [opened, end, data] = [deferred(), deferred(), []];
  const server = await serve(t, {
    onOpen: opened.resolve,
    async onData(conn, line) {
      data.push(String(line));
      await end.promise;
      conn.write(line);
    },
  }, { loops: 1 }, LINES);
  const socket = await connect(t, server);
  const conn = await opened.promise;
  socket.end('one\n');
  while (data.length === 0) await immediate();
  assert.throws(() => conn.release(), { code: 'WRONG_STATE' });
  end.resolve();
  assert.equal((await readAll(socket)).toString(), 'one');
});

test('D5: a connection that was ended is read on after a pause, with what waited', async (t) => {
  const got = [];
  const ended = deferred();
  const server = await serve(t, {
    onData(conn, data) {
      if (got.push(String(data)) === 1) conn.end();
      conn.pause();
      process.nextTick(() => conn.resume());
    },
    onEof: () => ended.resolve(),
    onError: (error) => ended.reject(error),
  }, { loops: 1 }, `${LINES}&half_open=true`);
  const socket = await connect(t, server);
  socket.end('a\nb\nc\n');
  process.once('uncaughtException', ended.reject);
  t.after(() => process.off('uncaughtException', ended.reject));
  await ended.promise;
  assert.deepEqual(got, ['a', 'b', 'c']);
});
