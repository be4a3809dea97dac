// R4: a callback that fails closes its own connection and is reported; the server lives on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';
import { inspect } from 'node:util';
import { createContext, runInContext } from 'node:vm';

import { Action, CloseReason, Server } from 'reactor-engine';

import { LOOPBACK, ONE_LOOP, connect, deferred, read, readAll, serve } from './support.mjs';

const boom = () => new Error('boom');
/** The ways to fail, and what is reported. */
const FAILURES = {
  throw: [() => { throw boom(); }, 'boom'],
  'async rejection': [async () => { throw boom(); }, 'boom'],
  'late rejection': [() => new Promise((_, reject) => setImmediate(reject, boom())), 'boom'],
  'thrown string': [() => { throw 'text'; }, /a callback threw 'text', which is not an Error/],
  'thrown nothing': [() => { throw undefined; }, /a callback threw undefined/],
};

const matching = (message) => (message instanceof RegExp ? message : new RegExp(`^${message}$`));

/** A handler that greets with 100 bytes and echoes, and of which one callback fails for the first connection. */
function failing(name, fail) {
  const handler = {
    onOpen: (conn) => void conn.write(Buffer.alloc(100, 'g')),
    onData: (conn, data) => void conn.write(data),
    onDrain: () => {},
  };
  const healthy = handler[name];
  handler[name] = (...args) => {
    handler[name] = healthy;
    return fail(...args);
  };
  return handler;
}

for (const [how, [fail, message]] of Object.entries(FAILURES)) {
  for (const name of ['onOpen', 'onData', 'onDrain']) {
    test(`R4: ${how} in ${name}`, async (t) => {
      const errors = [];
      const closed = deferred();
      const handler = Object.assign(failing(name, fail), {
        onClose: (conn, reason, errno) => closed.resolve({ conn, reason, errno }),
        onError: (error, conn) => void errors.push({ error, conn }),
      });
      const server = await serve(t, handler, { loops: 1, highWater: 10, lowWater: 5 });
      const victim = await connect(t, server);
      victim.on('end', () => victim.end());
      victim.write('x');
      await readAll(victim);
      const { conn, reason, errno } = await closed.promise;
      assert.deepEqual([reason, errno], [CloseReason.HandlerError, null]);
      assert.equal(errors.length, 1);
      assert.equal(errors[0].conn, conn);
      assert.ok(errors[0].error instanceof Error);
      assert.match(errors[0].error.message, matching(message));
      const other = await connect(t, server);
      other.write('alive');
      assert.equal((await read(other, 105)).subarray(100).toString(), 'alive');
      assert.equal(server.connections, 1);
    });
  }

  for (const name of ['onClose', 'onStop']) {
    test(`R4: ${how} in ${name} is only reported`, async (t) => {
      const reported = deferred();
      const handler = { [name]: fail, onError: (error, conn) => reported.resolve({ error, conn }) };
      const server = await serve(t, handler);
      const socket = await connect(t, server);
      socket.end();
      await readAll(socket);
      await server.stop();
      const { error, conn } = await reported.promise;
      assert.match(error.message, matching(message));
      assert.equal(conn === null, name === 'onStop');
    });
  }
}

test('R4: a rejected promise of onStart is reported, as the server runs by then', async (t) => {
  const reported = deferred();
  const server = await serve(t, {
    onStart: () => Promise.reject(boom()),
    onError: (error, conn) => reported.resolve({ error, conn }),
  });
  const { error, conn } = await reported.promise;
  assert.deepEqual([error.message, conn], ['boom', null]);
  await server.stop();
});

test('R4: without onError, and when onError fails, the process gets a warning', async (t) => {
  const warnings = [];
  const listener = (warning) => void warnings.push(warning.message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const fail = (text) => () => { throw new Error(text); };
  const handlers = [
    { onOpen: fail('no hook') },
    { onOpen: fail('first'), onError: fail('hook throws') },
    { onOpen: fail('first'), onError: async () => fail('hook rejects')() },
  ];
  for (const handler of handlers) {
    const warned = once(process, 'warning');
    const server = await serve(t, handler);
    const socket = await connect(t, server);
    socket.end();
    await Promise.all([readAll(socket), warned]);
  }
  assert.deepEqual(warnings, ['no hook', 'first', 'hook throws', 'first', 'hook rejects']);
});

/** Errors that break who prints them, and the warning's text. */
const BROKEN = {
  'a symbol for a message': [() => Object.assign(new Error(), { message: Symbol('odd') }), 'Symbol(odd)'],
  'a getter that throws': [
    () => Object.defineProperty(new Error(), 'message', { get: () => { throw boom(); } }),
    'a callback threw an error whose message cannot be read',
  ],
  'a broken stack': [() => Object.defineProperty(new Error('odd'), 'stack', { get: () => { throw boom(); } }), 'odd'],
  'a broken toString': [() => Object.assign(new Error('odd'), { toString: () => { throw boom(); } }), 'odd'],
  'a symbol for a name': [() => Object.assign(new Error('odd'), { name: Symbol('name') }), 'odd'],
};

for (const [what, [make, text]] of Object.entries(BROKEN)) {
  test(`R4: an error with ${what} becomes a warning that can be printed`, async (t) => {
    const server = await serve(t, { onOpen: () => { throw make(); } });
    const warned = once(process, 'warning');
    const socket = await connect(t, server);
    const [warning] = await warned;
    assert.equal(warning.message, text);
    assert.equal(`${warning}`, `Error: ${text}`);
    assert.equal(typeof warning.stack, 'string');
    assert.match(inspect(warning), /Error/);
    socket.destroy();
  });

  test(`S1: onStart that throws an error with ${what} fails the start`, async () => {
    const server = new Server({ onStart: () => { throw make(); } }, { loops: 1 });
    await assert.rejects(server.start(), (error) => error.code === 'HANDLER_FAILED' && error.message.includes(text));
  });
}

test('R4: a warning tells where a sound error came from', async (t) => {
  const error = new TypeError('sound');
  const server = await serve(t, { onOpen: () => { throw error; } });
  const warned = once(process, 'warning');
  const socket = await connect(t, server);
  const [warning] = await warned;
  assert.deepEqual([warning.name, warning.message, warning.stack], ['TypeError', 'sound', error.stack]);
  assert.equal(warning.cause, error);
  // What Node prints beneath the message: which callback, and where in it.
  assert.match(warning.detail, /^ {4}in onOpen of connection \d+\n {4}at /);
  assert.ok(warning.detail.includes(import.meta.filename ?? 'failures.test.mjs'), warning.detail);
  socket.destroy();
});

test('R4: a value that was thrown instead of an error has no place of ours', async (t) => {
  const server = await serve(t, { onOpen: () => { throw 'text'; } });
  const warned = once(process, 'warning');
  const socket = await connect(t, server);
  const [warning] = await warned;
  assert.match(warning.detail, /^ {4}in onOpen of connection \d+$/);
  assert.equal(warning.stack, "Error: a callback threw 'text', which is not an Error");
  socket.destroy();
});

test('R4: an error of another realm is reported as it is, with its code', async (t) => {
  const context = createContext();
  const onData = runInContext("() => { throw Object.assign(new RangeError('from elsewhere'), { code: 'E1' }); }", context);
  const reported = deferred();
  const server = await serve(t, { onData, onError: (error) => reported.resolve(error) });
  const socket = await connect(t, server);
  socket.write('x');
  const error = await reported.promise;
  assert.ok(!(error instanceof Error), 'it is of another realm');
  assert.deepEqual([error.name, error.message, error.code], ['RangeError', 'from elsewhere', 'E1']);
  socket.destroy();
});

test('R4: in onClose a write to another connection that is closed is a failure', async (t) => {
  const opened = [];
  const reported = deferred();
  const server = await serve(t, {
    onOpen: (conn) => void opened.push(conn),
    onClose(conn) {
      if (conn === opened[1]) opened[0].write('too late');
    },
    onError: (error, conn) => reported.resolve([error.code, conn]),
  });
  const clients = [await connect(t, server), await connect(t, server)];
  for (const client of clients) {
    client.end();
    await readAll(client);
  }
  assert.deepEqual(await reported.promise, ['CLOSED', opened[1]]);
});

test('a batch whose handling fails as a whole is a warning, and the next one is handed over', async (t) => {
  const addon = createRequire(import.meta.url)('../lib/addon.js');
  const { checkedOptions } = createRequire(import.meta.url)('../lib/options.js');
  const server = addon.createServer({ ...checkedOptions(ONE_LOOP), commands: false });
  const ended = deferred();
  const deliver = (records) => {
    if (records === 0) return ended.resolve();
    throw new Error('escaped');
  };
  const address = server.listen(LOOPBACK, []);
  assert.equal(server.start(() => 0, deliver, new Uint32Array(100), Buffer.alloc(100)), null);
  const warned = once(process, 'warning');
  const socket = await connect(t, { addresses: [address] });
  const [warning] = await warned;
  server.stop();
  await ended.promise;
  server.release();
  assert.match(warning.message, /^a batch was not handled to its end: .*escaped/);
  socket.destroy();
});

test('L4: the value that a promise resolves to is obeyed', async (t) => {
  const closed = deferred();
  const server = await serve(t, {
    onData: async () => Action.Close,
    onClose: (conn, reason) => closed.resolve(reason),
  });
  const socket = await connect(t, server);
  socket.on('end', () => socket.end());
  socket.write('x');
  await readAll(socket);
  assert.equal(await closed.promise, CloseReason.LocalClose);
});

test('microtasks and ticks of a callback run before the next turn', async (t) => {
  const order = [];
  const server = await serve(t, {
    onData(conn, data) {
      order.push(`${data}`);
      process.nextTick(() => order.push('tick'));
      Promise.resolve().then(() => (order.push('microtask'), conn.write('.')));
    },
  });
  const socket = await connect(t, server);
  for (const text of ['a', 'b']) {
    socket.write(text);
    await read(socket, 1);
  }
  assert.deepEqual(order, ['a', 'tick', 'microtask', 'b', 'tick', 'microtask']);
});
