// R4, L4: a callback returns what is no action. It closes nothing, and is reported once for each callback and type.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';

import { Action, Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, read, serve } from './support.mjs';

/** Numbers that were actions once, and others. */
const STRAYS = { one: 1, two: 2, true: true, false: false, text: 'close', object: {}, symbol: Symbol('Action.Close'), bigint: 1n };

for (const [what, stray] of Object.entries(STRAYS)) {
  for (const [how, answer] of Object.entries({ returned: () => stray, promised: async () => stray })) {
    test(`${what}, ${how}, closes nothing and is reported once`, async (t) => {
      const errors = [];
      const server = await serve(t, {
        onOpen: answer,
        onData: (conn, data) => (conn.write(data), answer()),
        onError: (error, conn) => void errors.push([error.name, error.message.split(',')[0], typeof conn?.id]),
      });
      const sockets = [await connect(t, server), await connect(t, server)];
      for (let round = 0; round < 3; round += 1) {
        for (const socket of sockets) {
          socket.write('still here');
          assert.equal((await read(socket, 10)).toString(), 'still here');
        }
      }
      assert.equal(server.connections, 2);
      const report = (name) => ['TypeError', `${name} must return an Action or nothing`, 'object'];
      assert.deepEqual(errors, [report('onOpen'), report('onData')]);
    });
  }
}

test('each type of value is reported once', async (t) => {
  const answers = [1, 2, 'text', 3, true, 'more', false, {}];
  const errors = [];
  const server = await serve(t, {
    onData: (conn) => (conn.write('.'), answers.shift()),
    onError: (error) => void errors.push(error.message.replace(/.*not /, '')),
  });
  const socket = await connect(t, server);
  while (answers.length > 0) {
    socket.write('x');
    await read(socket, 1);
  }
  assert.deepEqual(errors, ['1', "'text'", 'true', '{}']);
});

test('onOpen may push its connection to a list', async (t) => {
  const conns = [];
  const warned = once(process, 'warning');
  const server = await serve(t, { onOpen: (conn) => conns.push(conn), onData: (conn, data) => void conn.write(data) });
  for (const socket of [await connect(t, server), await connect(t, server)]) {
    socket.write('open');
    assert.equal((await read(socket, 4)).toString(), 'open');
  }
  assert.equal(conns.length, 2);
  const [warning] = await warned;
  assert.equal(warning.message, 'onOpen must return an Action or nothing, not 1');
  assert.match(warning.detail, /^ {4}in onOpen of connection \d+$/);
});

test('in onStart it does not keep the server from starting, and in onStop it is reported, too', async (t) => {
  const errors = [];
  const stopped = deferred();
  const onError = (error, conn) => {
    errors.push([error.message, conn]);
    if (errors.length === 2) stopped.resolve();
  };
  const server = new Server({ onStart: (self) => self.listen(LOOPBACK).length > 0, onStop: () => 5, onError }, { loops: 1 });
  await server.start();
  assert.equal(server.addresses.length, 1);
  await server.stop();
  await stopped.promise;
  assert.deepEqual(errors, [
    ['onStart must return an Action or nothing, not true', null],
    ['onStop must return an Action or nothing, not 5', null],
  ]);
  t.after(() => server.stop());
});

test('L4: the actions are obeyed', async (t) => {
  const reasons = [];
  const stopped = deferred();
  const server = await serve(t, {
    onData: (_, data) => Action[String(data)],
    onClose: (_, reason) => void reasons.push(reason),
    onStop: stopped.resolve,
    onError: stopped.reject,
  });
  const [first, second] = [await connect(t, server), await connect(t, server)];
  first.write('None');
  second.write('Close');
  await once(second.resume(), 'end');
  second.end();
  first.write('Stop');
  await stopped.promise;
  assert.deepEqual(reasons.sort(), ['local close', 'shutdown']);
});
