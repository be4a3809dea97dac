import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { inspect } from 'node:util';

import { Action, CloseReason, ConnId, ErrorCode, ReactorError, Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, readAll, serve, target } from './support.mjs';

const addon = createRequire(import.meta.url)('../lib/addon.js');

/** What a ReactorError with this code and a message like that looks like. */
const failure = (code, message = /./) => (error) => {
  assert.ok(error instanceof ReactorError && error instanceof Error, String(error));
  assert.equal(error.name, 'ReactorError');
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('the tables are the engine\'s', () => {
  assert.deepEqual(Object.values(ErrorCode), addon.errorKinds());
  assert.deepEqual(Object.values(CloseReason), addon.closeReasons().map(({ name }) => name));
  assert.deepEqual(Object.keys(Action).map((name) => name.toLowerCase()).sort(), addon.actions().sort());
  for (const [name, action] of Object.entries(Action)) {
    assert.ok(addon.actions().includes(name.toLowerCase()));
    assert.ok(Object.isFrozen(action));
    assert.deepEqual([`${action}`, inspect(action)], [`Action.${name}`, `Action.${name}`]);
  }
});

test('the documentation of listen has every option with its form', () => {
  const declarations = readFileSync(new URL('../types/server.d.ts', import.meta.url), 'utf8');
  const [said] = declarations.split('listen(url: string');
  const rows = addon.options().filter((row) => row.listens);
  for (const { name, form } of rows) assert.ok(said.includes(`\`${name}=${form}\``), `${name}=${form}`);
  const [beside] = declarations.split('connect(url: string');
  for (const { name, form } of addon.options().filter((row) => row.connects)) assert.ok(beside.split('Connects to')[1].includes(`\`${name}=${form}\``), `${name}=${form}`);
  const types = readFileSync(new URL('../types/terms.d.ts', import.meta.url), 'utf8');
  for (const { member } of addon.options()) assert.match(types, new RegExp(`^ +${member}\\?: `, 'm'));
});

test('the options of a server are the engine\'s', () => {
  assert.throws(() => new Server({}, { loop: 1 }), ({ message }) => {
    const ours = message.match(/known: ([^)]*)/)[1].split(', ');
    const snake = (name) => name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // The package's own.
    const known = [...addon.serverOptions(), 'batch_interval_us', 'log_level', 'mode'];
    assert.deepEqual(ours.map(snake).sort(), known.sort());
    return true;
  });
});

test('A1: a bad address is refused, and quoted', () => {
  const server = new Server({});
  for (const url of ['', 'ftp://x:1', 'tcp://127.0.0.1', 'tcp://127.0.0.1:99999', 'tcp://127.0.0.1:0?backlog=no']) {
    assert.throws(() => server.listen(url), failure('INVALID_ADDRESS'), url);
  }
  assert.throws(() => server.listen('tcp://127.0.0.1:0?bogus=1'), failure('INVALID_ADDRESS', /bogus=1|"bogus"/));
  assert.deepEqual(server.addresses, []);
});

test('A5: a taken address is refused with the system\'s number; the server can listen again', async (t) => {
  const first = await serve(t, {});
  const { port } = target(first.addresses[0]);
  const second = new Server({});
  t.after(() => second.stop());
  assert.throws(() => second.listen(`tcp://127.0.0.1:${port}`), (error) => {
    assert.equal(error.errno, 98);
    return failure('ADDRESS_IN_USE', new RegExp(`${port}`))(error);
  });
  assert.match(second.listen(LOOPBACK), /^tcp:/);
});

const SYSTEM = [
  ['tcp://192.0.2.1:5000?backlog=5', { code: 'SYSTEM', errno: 99, systemCode: 'EADDRNOTAVAIL', syscall: 'listen', address: '192.0.2.1', port: 5000 }],
  ['tcp6://[2001:db8::1]:5000', { code: 'SYSTEM', errno: 99, systemCode: 'EADDRNOTAVAIL', syscall: 'listen', address: '2001:db8::1', port: 5000 }],
  ['unix:///nowhere/s?backlog=5', { code: 'SYSTEM', errno: 2, systemCode: 'ENOENT', syscall: 'listen', path: '/nowhere/s' }],
];

for (const [url, told] of SYSTEM) {
  test(`what the system says has the members that Node's errors have: ${url}`, () => {
    assert.throws(() => new Server({}).listen(url), (error) => (assert.deepEqual({ ...error }, told), true));
  });
}

test('so it is with a socket option that such a socket does not have', async (t) => {
  const server = await serve(t, {});
  await connect(t, server);
  while (server.connections === 0) await new Promise(setImmediate);
  const told = { code: 'SYSTEM', errno: 95, systemCode: 'ENOTSUP', syscall: 'setsockopt' };
  const [id] = server.connectionIds();
  assert.throws(() => server.conn(id).setOptions({ broadcast: true }), (error) => (assert.deepEqual({ ...error }, told), true));
});

test('errno is absent where the system was not the cause', () => {
  assert.throws(() => new Server({}).listen('x:'), (error) => !('errno' in error));
});

test('R5: options out of range are refused, with their values', () => {
  assert.throws(() => new Server({}, { highWater: 10, lowWater: 20 }), failure('INVALID_ARGUMENT', /20 <= 10/));
  assert.throws(() => new Server({}, { loops: 5000 }), failure('INVALID_ARGUMENT', /5000/));
  for (const value of [-1, 1.5, NaN, Infinity, 2 ** 60]) {
    assert.throws(() => new Server({}, { highWater: value }), failure('INVALID_ARGUMENT', /^highWater/));
  }
  assert.throws(() => new Server({}, { readBudget: 2 ** 31 }), failure('INVALID_ARGUMENT', /^readBudget/));
  for (const look of ['adaptive', 'never']) new Server({}, { look });
  const known = /^look must be 'adaptive' or 'never', not 'always'$/;
  assert.throws(() => new Server({}, { look: 'always' }), failure('INVALID_ARGUMENT', known));
  assert.throws(() => new Server({}, { look: 1 }), { name: 'TypeError', message: /^look must be a string/ });
  assert.throws(() => new Server({}, { loop: 1 }), failure('INVALID_ARGUMENT', /'loop' .*known: mode, loops/));
  const modes = /^mode must be 'threads' or 'inline', not 'thread'$/;
  assert.throws(() => new Server({}, { mode: 'thread' }), failure('INVALID_ARGUMENT', modes));
  assert.throws(() => new Server({}, { mode: true }), { name: 'TypeError', message: /^mode must be a string, not true/ });
  const one = /^a server of mode 'inline' has one loop, not 9$/;
  assert.throws(() => new Server({}, { mode: 'inline', loops: 9 }), failure('INVALID_ARGUMENT', one));
});

test('R4: a method that is named like a callback and is none is refused, and the known ones are named', () => {
  const known = /\(known: onStart, onOpen, onData, onDatagram, onCommand, onEof, onDrain, onWake, onTimer, onDetach, onClose, onTick, onStopping, onStop, onError, onLog\)$/;
  class Base {
    onDataa() {}
  }
  class Derived extends Base {}
  const misspelt = [{ onDtaa() {} }, { ondata() {} }, { on_open() {} }, { onEnd() {} }, { onticK() {} }, new Derived()];
  for (const handler of misspelt) {
    assert.throws(() => new Server(handler), failure('INVALID_ARGUMENT', known));
  }
  assert.throws(() => new Server({ onDtaa() {} }), { message: /^the handler has 'onDtaa', which is no callback / });
  // What is no method, or no name of a callback's, is the user's own; and no getter is run.
  new Server({ onDuty: true, once() {}, only() {}, on() {}, onion() {}, get onEarth() { return assert.fail('run'); } });
  new Server(new (class extends EventEmitter { onOpen() {} })());
});

test('R5: wrong types are TypeErrors that say what was given', async (t) => {
  const message = (call) => {
    try {
      call();
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
      return error.message;
    }
    return assert.fail('did not throw');
  };
  assert.equal(message(() => new Server()), 'handler must be an object, not undefined');
  assert.equal(message(() => new Server(null)), 'handler must be an object, not null');
  assert.equal(message(() => new Server({ onData: 5 })), 'handler.onData must be a function, not 5');
  assert.equal(message(() => new Server({}, 5)), 'options must be an object, not 5');
  assert.equal(message(() => new Server({}, { loops: '2' })), "loops must be a number, not '2'");
  assert.equal(message(() => new Server({}).listen(5000)), "url must be a string such as 'tcp://127.0.0.1:5000', not 5000");
  assert.equal(message(() => ConnId.parse(12)), 'a connection id must be a string, not 12');
  const opened = deferred();
  const server = await serve(t, { onOpen: opened.resolve });
  await connect(t, server);
  const conn = await opened.promise;
  assert.equal(message(() => conn.write(5)), 'data must be a string, a Buffer or another view of memory, not 5');
  assert.equal(message(() => conn.write()), 'data must be a string, a Buffer or another view of memory, not undefined');
  assert.match(message(() => conn.write(new ArrayBuffer(1))), /not ArrayBuffer/);
  assert.match(message(() => conn.writev('text')), /^parts must be a list of what can be written/);
  assert.equal(message(() => conn.write('x', 5)), 'callback must be a function, not 5');
  assert.equal(message(() => conn.keep('5')), "count must be a number, not '5'");
  assert.equal(message(() => server.write(12, 'x')), 'id must be a ConnId, not 12');
  assert.equal(message(() => server.close({})), 'id must be a ConnId, not {}');
  assert.equal(message(() => server.hold('1')), "id must be a ConnId, not '1'");
  assert.equal(message(() => server.release(1n)), 'id must be a ConnId, not 1n');
  await assert.rejects(new Server({}).run({ handleSignals: 1 }), { message: 'handleSignals must be a boolean, not 1' });
  await assert.rejects(new Server({}).run({ signals: false }), failure('INVALID_ARGUMENT', /'signals'/));
});

test('a text that is no id is refused', () => {
  for (const text of ['', 'x', '-1', '1.5', '18446744073709551616', ' 1']) {
    assert.throws(() => ConnId.parse(text), failure('INVALID_ARGUMENT', /not a connection id/));
  }
});

test('L3: calls on the id of a dead connection, of none, and of another server\'s throw CLOSED', async (t) => {
  const opened = deferred();
  const closed = deferred();
  const server = await serve(t, { onOpen: opened.resolve, onClose: closed.resolve });
  const other = await serve(t, {});
  const socket = await connect(t, server);
  const conn = await opened.promise;
  assert.throws(() => other.write(conn.id, 'x'), failure('CLOSED'));
  assert.throws(() => other.close(conn.id), failure('CLOSED'));
  socket.end();
  await closed.promise;
  for (const id of [conn.id, ConnId.parse('0'), ConnId.parse('5'), ConnId.parse('18446744073709551615')]) {
    assert.throws(() => server.write(id, 'x'), failure('CLOSED'));
    assert.throws(() => server.close(id), failure('CLOSED'));
    assert.throws(() => server.hold(id), failure('CLOSED'));
    assert.throws(() => server.release(id), failure('CLOSED'));
  }
  assert.throws(() => conn.write('x'), failure('CLOSED'));
  assert.throws(() => conn.close(), failure('CLOSED'));
  assert.throws(() => conn.hold(), failure('CLOSED'));
  assert.throws(() => conn.release(), failure('CLOSED'));
  await server.stop();
  assert.throws(() => conn.write('x'), failure('CLOSED'));
  assert.equal(conn.isOpen, false);
});

test('D5: a write beyond the hard limit throws FULL and closes with overflow', async (t) => {
  const [opened, closed] = [deferred(), deferred()];
  const handler = { onOpen: opened.resolve, onClose: (_, reason) => closed.resolve(reason) };
  const server = await serve(t, handler, { loops: 1, highWater: 10, hardLimit: 100 });
  await connect(t, server);
  const conn = await opened.promise;
  assert.throws(() => conn.write(Buffer.alloc(101)), failure('FULL', /hard limit of 100/));
  assert.throws(() => conn.write('fits'), failure('CLOSED'));
  assert.equal(await closed.promise, 'overflow');
});

test('D5: with keepOnOverflow it throws FULL and queues nothing', async (t) => {
  const opened = deferred();
  const options = { loops: 1, highWater: 10, hardLimit: 100, keepOnOverflow: true };
  const server = await serve(t, { onOpen: opened.resolve }, options);
  const socket = await connect(t, server);
  const conn = await opened.promise;
  assert.throws(() => conn.write(Buffer.alloc(101)), failure('FULL', /hard limit of 100/));
  conn.write('fits');
  conn.close();
  socket.end();
  assert.equal((await readAll(socket)).toString(), 'fits');
});

test('L4: after close writes throw CLOSED, and closing again does', async (t) => {
  const results = deferred();
  const server = await serve(t, {
    onOpen(conn) {
      conn.write('bye');
      conn.close();
      const code = (call) => {
        try {
          return call();
        } catch (error) {
          return error.code;
        }
      };
      results.resolve([code(() => conn.write('x')), code(() => conn.close())]);
    },
  });
  assert.equal((await readAll(await connect(t, server))).toString(), 'bye');
  assert.deepEqual(await results.promise, ['CLOSED', 'CLOSED']);
});

test('R5: the wrong state', async (t) => {
  const server = new Server({});
  await assert.rejects(server.wait(), failure('WRONG_STATE', /not started/));
  server.listen(LOOPBACK);
  await server.start();
  t.after(() => server.stop());
  await assert.rejects(server.start(), failure('WRONG_STATE', /started already/));
  await assert.rejects(server.run(), failure('WRONG_STATE', /started already/));
  await server.stop();
  await server.wait();
  await assert.rejects(server.start(), failure('WRONG_STATE', /started already/));
  assert.throws(() => server.listen(LOOPBACK), failure('WRONG_STATE', /started already/));
});

test('S1: calls on the server in onStart', async (t) => {
  const results = [];
  const server = new Server({
    onStart(self) {
      results.push(self.start(), self.wait());
      assert.notEqual(self.listen(LOOPBACK), LOOPBACK);
    },
  });
  await server.start();
  t.after(() => server.stop());
  for (const result of results) await assert.rejects(result, failure('WRONG_STATE'));
});

test('S1: returning stop refuses the start, throwing fails it; it can be tried again', async (t) => {
  const cause = new Error('told to fail');
  const answers = [() => Action.Stop, () => { throw cause; }, () => Action.None];
  const server = new Server({ onStart: () => answers.shift()() });
  const address = server.listen(LOOPBACK);
  await assert.rejects(server.start(), failure('STOPPED', /on_?start returned stop/i));
  await assert.rejects(server.start(), (error) => {
    assert.equal(error.cause, cause);
    return failure('HANDLER_FAILED', /told to fail/)(error);
  });
  await server.start();
  t.after(() => server.stop());
  assert.deepEqual(server.addresses, [address]);
});

test('S2: stop before the start refuses it, and gives the listeners back', async (t) => {
  const server = new Server({});
  const address = server.listen(LOOPBACK);
  await server.stop();
  await server.stop();
  await assert.rejects(server.start(), failure('STOPPED', /stop was called before/));
  await assert.rejects(server.wait(), failure('WRONG_STATE'));
  const next = new Server({});
  t.after(() => next.stop());
  assert.equal(next.listen(address), address);
});

test('S2: stop in onStart refuses the start', async () => {
  const server = new Server({ onStart: (self) => void self.stop() });
  const address = server.listen(LOOPBACK);
  await assert.rejects(server.start(), failure('STOPPED', /stop was called/));
  const next = new Server({});
  assert.equal(next.listen(address), address);
  await next.stop();
});
