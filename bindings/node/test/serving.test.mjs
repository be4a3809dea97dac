// What concerns the server as a whole: its options, listeners, graceful stop, ticks, timers, metrics, log, and the short way to
// serve.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Action, CloseReason, ConnId, Histogram, ReactorError, Server, Timer, delimiter, line } from 'reactor-engine';

import { LOOPBACK, connect, deferred, isInline, loopsOf, read, readAll, serve, temporaryFolder } from './support.mjs';

const require = createRequire(import.meta.url);
const addon = require('../lib/addon.js');
const { COUNTERS } = require('../lib/metrics.js');

const refused = (code, message) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

test('R3: the limits of connections are the options\'', async (t) => {
  const server = await serve(t, { onOpen: (conn) => void conn.write('in') }, { loops: 1, maxConnections: 1 });
  const first = await connect(t, server);
  assert.equal((await read(first, 2)).toString(), 'in');
  assert.equal((await readAll(await connect(t, server))).length, 0);
  assert.equal(server.metrics().refusedByTotal, 1);
});

test('every option of the server is checked by its name', () => {
  for (const name of ['pin', 'keepOnOverflow']) {
    assert.throws(() => new Server({}, { [name]: 1 }), { name: 'TypeError', message: `${name} must be a boolean, not 1` });
  }
  const balances = /^balance must be 'round-robin', 'least-connections', .* or 'reuseport', not 'fair'$/;
  assert.throws(() => new Server({}, { balance: 'fair' }), refused('INVALID_ARGUMENT', balances));
  const levels = /^logLevel must be 'off', 'error', .* or 'trace', not 'loud'$/;
  assert.throws(() => new Server({ onLog() {} }, { logLevel: 'loud' }), refused('INVALID_ARGUMENT', levels));
  assert.throws(() => new Server({}, { logLevel: 'info' }), refused('INVALID_ARGUMENT', /the handler has no onLog/));
  assert.throws(() => new Server({}, { highWater: null }), { name: 'TypeError' });
  assert.throws(() => new Server({}, { stopDeadlineMs: 2 ** 31 }), refused('INVALID_ARGUMENT', /stop_deadline/));
  const unpinned = /^a server of mode 'inline' has no thread to pin$/;
  assert.throws(() => new Server({}, { mode: 'inline', pin: true }), refused('INVALID_ARGUMENT', unpinned));
  new Server({}, { byteBudget: null, lingerMs: null, pin: !isInline, balance: 'reuseport', stopDeadlineMs: 5, maxConnectionsPerAddress: 1 });
});

test('A3: what listen is told in its options counts, and the query wins', async (t) => {
  const path = `${temporaryFolder(t)}/s`;
  const frames = [];
  const server = new Server({ onData: (conn, data) => (frames.push(String(data)), void conn.write('.')) }, { loops: 1 });
  t.after(() => server.stop());
  server.listen(`unix://${path}`, { unixMode: 0o600, backlog: 5, framing: line({ maxFrame: 10 }) });
  server.listen(`${LOOPBACK}?framing=fixed:3`, { framing: line(), keepalive: [60, 5, 3], nodelay: false, idle: 60_000 });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await server.start();
  const byPath = await connect(t, server, 0);
  byPath.write('one\r\ntwo\n');
  await read(byPath, 2);
  const byPort = await connect(t, server, 1);
  byPort.write('abcdef');
  await read(byPort, 2);
  assert.deepEqual(frames, ['one', 'two', 'abc', 'def']);
});

test('R5: options of listen that are unknown, of another type or out of range are refused by their names', () => {
  const server = new Server({});
  const listen = (options) => () => server.listen(LOOPBACK, options);
  assert.throws(listen({ backlogg: 1 }), refused('INVALID_ARGUMENT', /^unknown option 'backlogg' \(known: reuseport, backlog, .*framing\)$/));
  assert.throws(listen({ bind: '::1' }), refused('INVALID_ARGUMENT', /^unknown option 'bind'/));
  assert.throws(listen({ backlog: '5' }), { name: 'TypeError', message: /^backlog must be a number of connections above 0/ });
  assert.throws(listen({ nodelay: 1 }), { name: 'TypeError', message: /^nodelay must be true or false/ });
  assert.throws(listen({ keepalive: 'yes' }), { name: 'TypeError', message: /^keepalive must be/ });
  assert.throws(listen({ multicast: 5 }), { name: 'TypeError', message: /^multicast must be an IP address/ });
  for (const wrong of [-1, 0, 1.5, NaN]) assert.throws(listen({ backlog: wrong }), refused('INVALID_ARGUMENT', /^backlog must be/));
  assert.throws(listen({ unixMode: 0o600 }), refused('INVALID_ADDRESS', /mode/));
  assert.throws(listen({ framing: 5 }), { name: 'TypeError', message: /^framing must be a Framing/ });
  assert.throws(listen({ framing: 'lines' }), refused('INVALID_ARGUMENT', /^framing must be none, line, fixed:LENGTH/));
  assert.deepEqual(server.listeners, []);
});

test('an option that belongs to another call is told where it belongs, and a framing that was not called so', async () => {
  const server = new Server({});
  const elsewhere = (option, where) => refused('INVALID_ARGUMENT', new RegExp(`^unknown option '${option}', which is given to ${where} \\(known: `));
  assert.throws(() => new Server({}, { framing: line() }), elsewhere('framing', 'listen, or to serve'));
  assert.throws(() => server.listen(LOOPBACK, { loops: 2 }), elsewhere('loops', 'new Server, or to serve'));
  assert.throws(() => server.listen(LOOPBACK, { framing: line }), { name: 'TypeError', message: 'framing must be what [Function: line] returns, not the function' });
  assert.throws(() => server.listen(LOOPBACK, [line()]), { name: 'TypeError', message: 'options must be an object, not [ [Framing] ]' });
  await server.stop();
});

test('framings say what they are, and refuse what cannot be', () => {
  const delimiters = delimiter(['\r\n', new Uint8Array([0])], { keepDelimiter: true, maxFrame: 9 });
  assert.equal(String(delimiters), 'delimiter:%0d%0a,or=%00,keep_delimiter=true,max_frame=9');
  assert.ok(Object.isFrozen(delimiters));
  assert.throws(() => line({ strip: 1 }), refused('INVALID_ARGUMENT', /unknown option 'strip'/));
  assert.throws(() => line({ maxFrame: -1 }), refused('INVALID_ARGUMENT', /framing must be/));
  assert.throws(() => delimiter(''), refused('INVALID_ARGUMENT', /delimiter/));
  assert.throws(() => delimiter([]), refused('INVALID_ARGUMENT', /delimiter/));
});

test('A2: a listener is closed while the server runs, and its connections go on', async (t) => {
  const server = await serve(t, { onData: (conn, data) => void conn.write(data) });
  const second = server.listen(LOOPBACK);
  const socket = await connect(t, server, 1);
  socket.write('x');
  await read(socket, 1);
  assert.deepEqual(server.listeners.map(({ address }) => address), server.addresses);
  await server.closeListener(second);
  assert.equal(server.listeners.length, 1);
  await assert.rejects(connect(t, { addresses: [second] }), { code: 'ECONNREFUSED' });
  socket.write('y');
  assert.equal((await read(socket, 1)).toString(), 'y');
  // The address is free again.
  assert.equal(server.listen(second), second);
  await server.closeListener(server.listeners[1], { refuse: true });
  await server.closeListener(server.listeners[0].listener);
  assert.deepEqual(server.listeners, []);
  await assert.rejects(server.closeListener(second), refused('INVALID_ARGUMENT', /no listener at tcp:/));
  await assert.rejects(server.closeListener(12345), refused('INVALID_ARGUMENT', /no listener 12345/));
  await assert.rejects(server.closeListener(second, { refused: true }), refused('INVALID_ARGUMENT', /unknown option 'refused'/));
  await assert.rejects(server.closeListener(), { name: 'TypeError' });
});

test('S3: a graceful stop lets connections finish, and says that it has begun', async (t) => {
  const calls = [];
  const handler = {
    onStopping: (server) => void calls.push(['stopping', server.isStopping]),
    onData: (conn, data) => (conn.write(data), Action.Close),
    onClose: (conn, reason) => void calls.push(['close', reason]),
    onStop: () => void calls.push(['stop']),
  };
  const server = await serve(t, handler);
  const socket = await connect(t, server);
  assert.equal(server.isStopping, false);
  const stopped = server.stopGracefully(60_000);
  socket.end('last');
  assert.equal((await readAll(socket)).toString(), 'last');
  await stopped;
  assert.deepEqual(calls, [['stopping', true], ['close', CloseReason.LocalClose], ['stop']]);
  await server.stopGracefully();
  await assert.rejects(server.stopGracefully('1'), { name: 'TypeError' });
});

test('S3: at the deadline what is left is closed', async (t) => {
  const opened = deferred();
  const reasons = [];
  const handler = { onOpen: opened.resolve, onClose: (conn, reason) => void reasons.push(reason) };
  const server = await serve(t, handler, { loops: 1, stopDeadlineMs: 10 });
  await connect(t, server);
  await opened.promise;
  await server.stopGracefully();
  assert.deepEqual(reasons, [CloseReason.Shutdown]);
});

test('a server is disposed of as others are', async (t) => {
  const server = await serve(t, {});
  await server[Symbol.asyncDispose]();
  await server.wait();
  assert.equal(server.isStopping, true);
});

test('T1: onTick says when the next is; one that fails is reported, and they go on', async (t) => {
  const errors = [];
  const ended = deferred();
  const steps = [0, 'fail', 5, Promise.resolve(1), 'text', null];
  const handler = {
    onTick(server) {
      const step = steps.shift();
      if (step === 'fail') throw new Error('told to fail');
      if (step === null) setTimeout(ended.resolve, 50);
      return step;
    },
    onError: (error, conn) => void errors.push([error.message, conn]),
  };
  const server = await serve(t, handler);
  await ended.promise;
  assert.deepEqual(steps, []);
  assert.equal(errors.length, 2);
  assert.deepEqual(errors[0], ['told to fail', null]);
  assert.match(errors[1][0], /^onTick must return milliseconds, .*, or nothing, not 'text'$/);
  await server.stop();
});

test('T2: timers of the server repeat until they are cancelled, are reported, and end with it', async (t) => {
  const errors = [];
  const server = await serve(t, { onError: (error) => void errors.push(error.message) });
  const thrice = deferred();
  let calls = 0;
  const repeating = server.setTimer(1, (timer) => {
    assert.ok(timer === repeating && timer instanceof Timer);
    calls += 1;
    if (calls === 3) thrice.resolve();
    throw new Error(`call ${calls}`);
  }, 1);
  const never = server.setTimer(60_000, () => assert.fail('called'));
  await thrice.promise;
  assert.equal(repeating.cancel(), true);
  assert.equal(repeating.cancel(), false);
  assert.deepEqual(errors, ['call 1', 'call 2', 'call 3']);
  assert.throws(() => server.setTimer(2 ** 31, () => {}), refused('INVALID_ARGUMENT', /^delayMs must be from 0/));
  assert.throws(() => server.setTimer(1, () => {}, NaN), refused('INVALID_ARGUMENT', /^repeatMs/));
  assert.throws(() => server.setTimer('1', () => {}), { name: 'TypeError' });
  assert.throws(() => server.setTimer(1), { name: 'TypeError' });
  await server.stop();
  assert.equal(never.cancel(), false);
  assert.throws(() => server.setTimer(1, () => {}), refused('WRONG_STATE', /stopped/));
});

test('M1: metrics are the engine\'s, by the names of this language, after the stop too', async (t) => {
  const closed = deferred();
  const server = await serve(t, { onData: (conn, data) => void conn.write(data), onClose: closed.resolve }, { loops: 2 });
  const socket = await connect(t, server);
  socket.write('hello');
  await read(socket, 5);
  socket.end();
  await closed.promise;
  for (const metrics of [server.metrics(), (await server.stop(), server.metrics())]) {
    assert.deepEqual([metrics.accepted, metrics.bytesRead, metrics.connections], [1, 5, 0]);
    assert.deepEqual(metrics.closed, { eof: 1 });
    assert.ok(metrics.delay instanceof Histogram && Object.isFrozen(metrics.delay.buckets));
  }
  const loops = Array.from({ length: loopsOf(2) }, (_, loop) => server.metrics(loop).bytesRead);
  assert.deepEqual(loops.sort(), [0, 5].slice(-loopsOf(2)));
  assert.throws(() => server.metrics(2), refused('INVALID_ARGUMENT', /no loop 2/));
  assert.throws(() => server.metrics('0'), { name: 'TypeError' });
  assert.equal(server.delayPercentile(0.5), server.metrics().delay.percentile(0.5));
  assert.equal(COUNTERS.length, addon.counters().length);
});

test('the documentation of metrics has every counter', async () => {
  const { readFileSync } = await import('node:fs');
  const types = readFileSync(new URL('../types/metrics.d.ts', import.meta.url), 'utf8');
  for (const name of COUNTERS) assert.match(types, new RegExp(`^ +${name}: number;`, 'm'));
});

test('a histogram answers upper bounds of magnitudes', () => {
  const none = new Histogram(Array(64).fill(0));
  assert.deepEqual([none.count, none.percentile(0.5)], [0, 0]);
  const buckets = Array(64).fill(0);
  [buckets[3], buckets[20]] = [90, 10];
  const delays = new Histogram(buckets);
  assert.equal(delays.count, 100);
  assert.deepEqual([0, 0.9, 0.91, 5].map((q) => delays.percentile(q)), [15e-6, 15e-6, (2 ** 21 - 1) / 1e6, (2 ** 21 - 1) / 1e6]);
});

test('L7: the open connections are listed by their ids', async (t) => {
  const opened = [];
  const server = await serve(t, { onOpen: (conn) => (opened.push(conn), void conn.write('!')) }, { loops: 2 });
  for (let count = 0; count < 3; count += 1) await read(await connect(t, server), 1);
  const ids = server.connectionIds();
  assert.ok(ids.every((id) => id instanceof ConnId));
  assert.deepEqual(new Set(ids), new Set(opened.map((conn) => conn.id)));
  await server.stop();
  assert.deepEqual(server.connectionIds(), []);
});

test('M2: what the engine says is an event; and a failed one is reported', async (t) => {
  const messages = [];
  const failed = deferred();
  const handler = {
    onLog(level, message) {
      messages.push([level, message]);
      throw new Error('told to fail');
    },
    onError: (error, conn) => failed.resolve([error.message, conn]),
  };
  const server = new Server(handler, { loops: 1, logLevel: 'warn' });
  t.after(() => server.stop());
  await server.start();
  assert.deepEqual(await failed.promise, ['told to fail', null]);
  assert.deepEqual(messages, [['error', 'a server runs that listens nowhere, and so nobody can connect: call listen']]);
});

test('M2 R4: without onError a failure is told to the log, and nobody if that is off', async (t) => {
  const warnings = [];
  const listener = (warning) => void warnings.push(warning.message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const messages = [];
  const handler = { onData: () => assert.fail('told to fail'), onLog: (...said) => void messages.push(said) };
  for (const logLevel of ['off', 'error']) {
    const server = await serve(t, handler, { loops: 1, logLevel });
    const socket = await connect(t, server);
    socket.end('x');
    await readAll(socket);
    await server.stop();
  }
  assert.deepEqual([warnings, messages.length, messages[0][0]], [[], 1, 'error']);
  assert.match(messages[0][1], /^told to fail\n {4}in onData of connection \d+\n +at /);
});

const PROGRAM = fileURLToPath(new URL('programs/served.mjs', import.meta.url));

/** Starts a program that serves, and says what it has printed. */
async function served(t, ...args) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { child, server: { addresses: [url.trim()] } };
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`S2: what is served lets its connections finish at ${signal}`, async (t) => {
    const { child, server } = await served(t, '60000');
    const socket = await connect(t, server);
    socket.write('a');
    await read(socket, 1);
    const [stopping] = await Promise.all([once(child.stdout, 'data'), child.kill(signal)]);
    assert.equal(String(stopping), 'stopping\n');
    socket.end('b');
    assert.equal((await readAll(socket)).toString(), 'b');
    assert.deepEqual(await once(child, 'close'), [0, null]);
  });
}

test('S2: at the second signal it stops at once', async (t) => {
  const { child, server } = await served(t, '60000');
  const socket = await connect(t, server);
  socket.write('a');
  await read(socket, 1);
  const [stopping] = await Promise.all([once(child.stdout, 'data'), child.kill('SIGTERM')]);
  assert.equal(String(stopping), 'stopping\n');
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'close'), [0, null]);
});

test('serve has no patience for a second if nothing is said', async (t) => {
  const { child, server } = await served(t);
  const socket = await connect(t, server);
  socket.write('a');
  await read(socket, 1);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [0, null]);
});

test('serve rejects what it cannot do, and leaves the signals alone', async () => {
  const { serve: short } = await import('reactor-engine');
  const before = process.listenerCount('SIGTERM');
  await assert.rejects(short({}), refused('INVALID_ARGUMENT', /^there is nothing to serve/));
  await assert.rejects(short({}, 'x:'), refused('INVALID_ADDRESS', /./));
  await assert.rejects(short({}, LOOPBACK, { loop: 1 }), refused('INVALID_ARGUMENT', /unknown option 'loop'/));
  await assert.rejects(short({ onStart: () => Action.Stop }, LOOPBACK), refused('STOPPED', /./));
  await short({ onTick: (server) => void server.stop() }, LOOPBACK, { loops: 1, backlog: 5 });
  assert.equal(process.listenerCount('SIGTERM'), before);
});
