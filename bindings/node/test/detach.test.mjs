// L6: connections that are taken out of the engine, and D2: input that the handler has not had.
import assert from 'node:assert/strict';
import { closeSync, readdirSync, writeSync } from 'node:fs';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { Action, Detached, ReactorError, fixed, line } from 'reactor-engine';

import { LOOPBACK, connect, deferred, isInline, read, readAll, serve } from './support.mjs';

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

/** Waits, without letting go of the thread, until the engine has received so many bytes: they are on their way here, or wait in it. */
function received(conn, bytes) {
  while (conn.info().bytesReceived < bytes);
}

/** A server's one connection, and what its handler is given. */
async function one(t, url, handler = {}) {
  const [opened, given] = [deferred(), []];
  const server = await serve(t, {
    onOpen: (conn) => opened.resolve(conn),
    onData: (conn, data) => void given.push(String(data)),
    onCommand: (conn, args) => void given.push(args.map(String)),
    ...handler,
  }, { loops: 1 }, url);
  const client = await connect(t, server);
  return { server, client, conn: await opened.promise, given };
}

const ON_ITS_WAY = { 'raw input': [LOOPBACK, 'one\ntwo\nha'], frames: [LINES, 'one\r\ntwo\nha'], commands: [`${LOOPBACK}?framing=resp`, 'PING\r\n*1\r\n$4\r\nPING\r\nSE'] };

for (const [what, [url, text]] of Object.entries(ON_ITS_WAY)) {
  test(`${what} that is on its way to the handler when a connection is detached is handed out, as it came`, async (t) => {
    const handed = deferred();
    const { client, conn, given } = await one(t, url, { onDetach: (of, detached) => handed.resolve(readAll(detached.toSocket())) });
    client.write(text);
    if (!isInline) received(conn, text.length);
    conn.detach();
    client.end(' and more');
    assert.equal(String(await handed.promise), `${text} and more`);
    assert.deepEqual(given, []);
  });
}

test('a connection that is detached while its input is on its way is handed out by a server that stops', async (t) => {
  const { server, client, conn } = await one(t, LINES, { onDetach: (of, detached) => void detached.toSocket().end('after all') });
  client.write('one\n');
  if (!isInline) received(conn, 4);
  conn.detach();
  const stopped = server.stop();
  assert.equal((await readAll(client)).toString(), 'after all');
  await stopped;
});

test('D2: a framing that is set outside of a callback cuts what is on its way to the handler', async (t) => {
  const { client, conn, given } = await one(t, LINES);
  client.write('one\r\ntwo\nha');
  if (!isInline) received(conn, 11);
  conn.setFraming(fixed(2));
  client.write('lf');
  while (given.length < 6) await immediate();
  assert.deepEqual(given, ['on', 'e\r', '\nt', 'wo', '\nh', 'al']);
});

for (const [what, text] of Object.entries({ output: 'x', input: 'one\ntwo\n' })) {
  test(`the peer of a connection that nobody takes is reset if ${what} is left`, async (t) => {
    const server = await serve(t, {
      onData(conn) {
        if (what === 'output') conn.write(Buffer.alloc(20e6));
        return Action.Detach;
      },
    }, { loops: 1 }, what === 'output' ? LOOPBACK : LINES);
    const client = await connect(t, server);
    const closed = new Promise((resolve) => client.once('close', resolve));
    const codes = [];
    client.on('error', (error) => void codes.push(error.code)).on('end', () => void codes.push('end')).resume();
    client.write(text);
    await closed;
    assert.deepEqual(codes, ['ECONNRESET']);
  });
}

test('frames without number that are on their way are handed out in no more time than they take', async (t) => {
  const [handed, conns] = [[], []];
  const over = deferred();
  const server = await serve(t, {
    onOpen: (conn) => void conns.push(conn),
    onDetach(conn, detached) {
      handed.push(detached.input);
      if (handed.length === 4) over.resolve();
    },
  }, { loops: 1 }, `${LOOPBACK}?framing=fixed:1`);
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(t, server)));
  while (conns.length < 4) await immediate();
  for (const conn of conns) conn.hold();
  await Promise.all(clients.map((client) => new Promise((taken) => client.write('x'.repeat(100_000), taken))));
  for (const conn of conns) conn.release();
  // The loop hands them over while this thread does something else.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  for (const conn of conns) conn.detach();
  await over.promise;
  assert.ok(handed.every((input) => input.every((byte) => byte === 'x'.charCodeAt(0))));
});

test('D2: another framing for each of many frames that came together takes no more time for each, the more they are', async (t) => {
  const got = [];
  const over = deferred();
  const server = await serve(t, {
    onData(conn, data) {
      got.push(String(data));
      conn.setFraming(got.length % 2 === 0 ? line() : fixed(6));
      if (got.length === 40_000) over.resolve();
    },
    onError: over.reject,
  }, { loops: 1 }, LINES);
  (await connect(t, server)).write('6\nabcdef'.repeat(20_000));
  await over.promise;
  assert.ok(got.every((frame, at) => frame === (at % 2 === 0 ? '6' : 'abcdef')));
});
