// L6: connections that are taken out of the engine, and D2: input that the handler has not had.
import assert from 'node:assert/strict';
import { closeSync, readdirSync, writeSync } from 'node:fs';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { Action, Detached, ReactorError, fixed, line } from 'reactor-engine';

import { LOOPBACK, connect, deferred, read, readAll, serve } from './support.mjs';

const LINES = `${LOOPBACK}?framing=line`;
const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);
const descriptors = () => readdirSync('/proc/self/fd').length;

test('a detached connection goes on as a socket of Node, which reads first what was not consumed', async (t) => {
  const handed = deferred();
  const server = await serve(t, {
    onData: (conn, data) => (conn.write(`${data}!`), Action.Detach),
    onDetach(conn, detached) {
      assert.ok(detached instanceof Detached);
      handed.resolve({ conn, detached, socket: detached.toSocket({ allowHalfOpen: true }), port: conn.remotePort });
    },
    onClose: assert.fail,
    onError: assert.fail,
  }, { loops: 1 }, LINES);
  const client = await connect(t, server);
  client.write('one\ntwo\r\nthr');
  const { conn, detached, socket, port } = await handed.promise;
  assert.equal((await read(client, 4)).toString(), 'one!');
  assert.deepEqual([String(detached.input), detached.output.length], ['two\r\nthr', 0]);
  assert.equal((await read(socket, 8)).toString(), 'two\r\nthr');
  client.write('ee\n');
  assert.equal((await read(socket, 3)).toString(), 'ee\n');
  socket.end('bye');
  assert.equal((await readAll(client)).toString(), 'bye');
  assert.throws(() => conn.write('x'), refused('CLOSED'));
  assert.throws(() => conn.detach(), refused('CLOSED'));
  assert.throws(() => detached.takeFd(), refused('WRONG_STATE', /taken before/));
  assert.throws(() => detached.toSocket(), refused('WRONG_STATE'));
  assert.deepEqual([conn.isOpen, conn.remotePort, conn.info().bytesSent], [false, port, 4]);
  assert.equal(server.connections, 0);
  client.end();
});

test('output that the kernel did not take is written by the socket', async (t) => {
  const left = deferred();
  const server = await serve(t, {
    onData(conn) {
      conn.write(Buffer.alloc(20e6, 'x'));
      conn.detach();
      assert.throws(() => conn.write('x'), refused('CLOSED'));
    },
    onDetach(conn, detached) {
      left.resolve(detached.output.length);
      detached.toSocket().end('.');
    },
  });
  const client = await connect(t, server);
  client.write('go');
  const all = await readAll(client);
  assert.ok((await left.promise) > 0);
  assert.ok(all.length === 20e6 + 1 && all.at(-1) === 46 && all.indexOf(46) === 20e6);
});

test('callbacks of writes end before onDetach, with an error if they did not leave', async (t) => {
  const events = [];
  const over = deferred();
  const server = await serve(t, {
    onData(conn) {
      for (let number = 0; number < 3; number += 1) {
        conn.write(Buffer.alloc(8e6), (error) => void events.push(error ? error.code : 'sent'));
      }
      return Action.Detach;
    },
    onDetach: () => (events.push('detach'), over.resolve()),
  });
  (await connect(t, server)).write('go');
  await over.promise;
  assert.deepEqual([events.length, events[2], events[3]], [4, 'CLOSED', 'detach']);
});

test('the descriptor by itself, which is non-blocking and outlives the server', async (t) => {
  const handed = deferred();
  const server = await serve(t, { onWake: () => Action.Detach, onDetach: (conn, detached) => handed.resolve(detached.takeFd()) });
  const client = await connect(t, server);
  while (server.connections === 0) await immediate();
  const [id] = server.connectionIds();
  server.wake(id);
  const fd = await handed.promise;
  await server.stop();
  writeSync(fd, 'still');
  assert.equal((await read(client, 5)).toString(), 'still');
  closeSync(fd);
  assert.equal((await readAll(client)).length, 0);
  assert.throws(() => server.detach(id), refused('CLOSED'));
});

const UNTAKEN = {
  'has no such callback': {},
  'takes nothing': { onDetach() {} },
  'fails': { onDetach: () => { throw new Error('told to fail'); }, onError() {} },
  'takes nothing before its promise ends': { onDetach: () => sleep(5) },
};

for (const [what, handler] of Object.entries(UNTAKEN)) {
  test(`who ${what} wants it closed`, async (t) => {
    const server = await serve(t, { onData: () => Action.Detach, ...handler });
    const before = descriptors();
    const client = await connect(t, server);
    client.write('x');
    assert.equal((await readAll(client)).length, 0);
    client.destroy();
    while (descriptors() !== before) await immediate();
  });
}

test('a promise of onDetach may take it late', async (t) => {
  const server = await serve(t, {
    onData: (conn) => conn.detach(),
    async onDetach(conn, detached) {
      await sleep(5);
      detached.toSocket().end('late');
    },
  });
  const client = await connect(t, server);
  client.write('x');
  assert.equal((await readAll(client)).toString(), 'late');
});

test('what is kept, and what waits behind a promise, is handed out in order', async (t) => {
  const handed = deferred();
  const server = await serve(t, {
    onData(conn, data) {
      conn.keep(data.length - 1);
      return Action.Detach;
    },
    onDetach: (conn, detached) => handed.resolve(String(detached.input)),
  });
  (await connect(t, server)).write('abc');
  assert.equal(await handed.promise, 'bc');

  const later = deferred();
  const promised = await serve(t, {
    async onData() {
      await sleep(5);
      return Action.Detach;
    },
    onDetach: (conn, detached) => later.resolve(String(detached.input)),
  }, { loops: 1 }, LINES);
  (await connect(t, promised)).write('one\r\ntwo\n\nthr');
  assert.equal(await later.promise, 'two\n\nthr');
});

test('commands that were not told are handed out as they came', async (t) => {
  const handed = deferred();
  const server = await serve(t, {
    onCommand: () => Action.Detach,
    onDetach: (conn, detached) => handed.resolve(String(detached.input)),
  }, { loops: 1 }, `${LOOPBACK}?framing=resp`);
  (await connect(t, server)).write('PING\r\n*1\r\n$4\r\nPING\r\nSET "a b"  c\n*1\r\n$');
  assert.equal(await handed.promise, '*1\r\n$4\r\nPING\r\nSET "a b"  c\n*1\r\n$');
});

test('an endpoint is not detached', async (t) => {
  const errors = [];
  const server = await serve(t, { onDetach: assert.fail, onWake: () => Action.Detach, onError: (error) => void errors.push(error) }, { loops: 1 }, 'udp://127.0.0.1:0');
  const [id] = server.endpoints(server.addresses[0]);
  assert.throws(() => server.detach(id), refused('UNSUPPORTED'));
  server.wake(id);
  while (errors.length === 0) await immediate();
  assert.ok(refused('UNSUPPORTED')(errors[0]));
});

const IN_CALLBACK = { 'at once': () => {}, 'in a promise': () => sleep(5) };

for (const [when, wait] of Object.entries(IN_CALLBACK)) {
  test(`D2: a framing that is set ${when} cuts what came with the frame of the callback`, async (t) => {
    const frames = [];
    const steps = [fixed(3), 'length:1', null];
    const server = await serve(t, {
      onData(conn, data) {
        const step = steps.shift();
        frames.push(String(data));
        const waited = wait();
        if (waited) return waited.then(() => conn.setFraming(step ?? null));
        if (step !== undefined) conn.setFraming(step);
        return undefined;
      },
    }, { loops: 1 }, LINES);
    const client = await connect(t, server);
    client.write('first\r\nabc\x02\nxrest\nof it');
    while (frames.join('').length < 'firstabc\nxrest\nof it'.length) await immediate();
    assert.deepEqual(frames, ['first', 'abc', '\nx', 'rest\nof it']);
  });
}

test('D2: frames behind a pause are cut anew as well, and commands', async (t) => {
  const told = [];
  const server = await serve(t, {
    onData: (conn, data) => void told.push(String(data)),
    onCommand(conn, [name]) {
      told.push([String(name)]);
      conn.pause();
      setTimeout(() => {
        conn.setFraming(line());
        conn.resume();
      }, 5);
    },
  }, { loops: 1 }, `${LOOPBACK}?framing=resp`);
  (await connect(t, server)).write('PING\r\n*1\r\n$4\r\nPONG\r\nSET "x"\n');
  while (told.length < 5) await immediate();
  assert.deepEqual(told, [['PING'], '*1', '$4', 'PONG', 'SET "x"']);
});
