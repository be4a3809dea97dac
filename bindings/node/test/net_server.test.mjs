// Servers, and what sockets connect to, as node:net has it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import node from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { all, assert, both, called, close, eventually, failure, freePort, listen, ours, pair, pause, record } from './net_support.mjs';
import { temporaryFolder } from './support.mjs';

const program = fileURLToPath(new URL('programs/net_descriptor.mjs', import.meta.url));

/** Keeps Node's event loop from turning for a while. */
function busy(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

both('close with a connection open: listening is false at once, close comes at its end', async (t, net) => {
  const { server, client, peer } = await pair(t, net);
  peer.resume();
  const seen = record(server, 'close');
  const closed = called((done) => server.close(done));
  assert.equal(server.listening, false);
  assert.deepEqual(await called((done) => server.getConnections(done)), [null, 1]);
  await pause();
  assert.deepEqual(seen, []);
  client.end();
  assert.deepEqual(await closed, []);
  const [error] = await called((done) => server.close(done));
  assert.deepEqual([error.code, error.message], ['ERR_SERVER_NOT_RUNNING', 'Server is not running.']);
});

both('maxConnections: accepted, ended, and drop with six fields', async (t, net) => {
  const { server, client } = await pair(t, net);
  server.maxConnections = 1;
  const refused = net.connect(server.address().port, '127.0.0.1');
  refused.resume();
  const seen = record(refused, 'connect', 'end', 'error');
  const [dropped] = await once(server, 'drop');
  await close(refused);
  assert.deepEqual(seen, ['connect', 'end']);
  assert.deepEqual(Object.keys(dropped).sort(), ['localAddress', 'localFamily', 'localPort', 'remoteAddress', 'remoteFamily', 'remotePort']);
  assert.deepEqual([dropped.localPort, dropped.remoteAddress, dropped.remoteFamily], [server.address().port, '127.0.0.1', 'IPv4']);
  assert.equal(client.destroyed, false);
});

both('listen twice throws; after a close it listens again', async (t, net) => {
  const server = await listen(t, net);
  assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' });
  await called((done) => server.close(done));
  await called((done) => server.listen(0, '127.0.0.1', done));
  assert.ok(server.address().port > 0);
});

both('EADDRINUSE: an error with negative errno, and no listening', async (t, net) => {
  const { port } = (await listen(t, net)).address();
  const second = net.createServer().listen(port, '127.0.0.1');
  const seen = record(second, 'listening');
  const error = await failure(second);
  assert.deepEqual([error.errno, error.code, error.syscall, error.address, error.port], [-98, 'EADDRINUSE', 'listen', '127.0.0.1', port]);
  assert.equal(error.message, `listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
  assert.deepEqual([seen, second.listening, second.address()], [[], false, null]);
});

both('close before it listens: with a host it never does; without one it did', async (t, net) => {
  const server = net.createServer();
  const seen = record(server, 'listening', 'close');
  const [error] = await called((done) => server.listen(0, '127.0.0.1').close(done));
  await pause();
  assert.deepEqual([error?.code, seen], ['ERR_SERVER_NOT_RUNNING', ['close']]);
  const [none] = await called((done) => net.createServer().listen(0).close(done));
  assert.equal(none, undefined);
});

both('a port is free when its server has closed; and when it closes', async (t, net) => {
  const server = await listen(t, net);
  const { port } = server.address();
  server.close();
  const next = net.createServer().listen(port, '127.0.0.1');
  await once(next, 'listening');
  assert.equal(next.address().port, port);
  await called((done) => next.close(done));
});

both('whoever was not accepted when the server closes is reset', async (t, net) => {
  const server = await listen(t, net, {}, { port: 0, host: '127.0.0.1', backlog: 16 });
  const { port } = server.address();
  // Connected by the kernel, in a process that does nothing else.
  const clients = Array.from({ length: 5 }, () => node.connect({ port, host: '127.0.0.1' }));
  const ends = clients.map((client) => failure(client));
  server.on('connection', (socket) => socket.resetAndDestroy());
  await Promise.all(clients.map((client) => once(client, 'connect').catch(() => {})));
  server.close();
  assert.deepEqual((await Promise.all(ends)).map(({ code }) => code), Array(5).fill('ECONNRESET'));
});

both('pauseOnConnect: a listener of data does not start it, resume() does', async (t, net) => {
  const { client, peer } = await pair(t, net, { ofServer: { pauseOnConnect: true } });
  const seen = record(peer, 'data', 'end');
  client.end('x');
  await pause(50);
  assert.deepEqual([seen, peer.isPaused(), peer.bytesRead], [[], true, 0]);
  peer.resume();
  await once(peer, 'end');
  assert.deepEqual(seen, ['data x', 'end']);
});

both("createServer's marks and options are its sockets'", async (t, net) => {
  const { peer, server } = await pair(t, net, { ofServer: { highWaterMark: 1000, keepAlive: true, keepAliveInitialDelay: 1500, noDelay: true } });
  assert.deepEqual([peer.readableHighWaterMark, peer.writableHighWaterMark], [1000, 1000]);
  assert.equal(server.keepAliveInitialDelay, 1);
  assert.throws(() => net.createServer({ keepAliveInitialDelay: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => net.createServer('x'), { code: 'ERR_INVALID_ARG_TYPE' });
});

both('blockList: the server closes without drop; the client refuses', async (t, net) => {
  const blockList = new net.BlockList();
  blockList.addAddress('127.0.0.1');
  const server = await listen(t, net, { blockList });
  const seen = record(server, 'connection', 'drop');
  const client = net.connect(server.address().port, '127.0.0.1');
  client.resume();
  await close(client);
  const blocked = net.connect({ port: server.address().port, host: '127.0.0.1', blockList });
  assert.equal((await failure(blocked)).code, 'ERR_IP_BLOCKED');
  assert.deepEqual(seen, []);
}, { since: 24 });

both('reusePort: both listen', async (t, net) => {
  const first = await listen(t, net, {}, { port: 0, host: '127.0.0.1', reusePort: true });
  const second = await listen(t, net, {}, { port: first.address().port, host: '127.0.0.1', reusePort: true });
  assert.equal(second.address().port, first.address().port);
}, { since: 24 });

both('two addresses refused: an AggregateError with both, in order; one: a plain error', async (t, net) => {
  const port = await freePort();
  const found = [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }];
  const lookup = (host, options, callback) => setImmediate(callback, null, options.all ? found : found[0].address, 4);
  const client = net.connect({ port, host: 'two.test', lookup, autoSelectFamily: true });
  const seen = record(client, 'lookup', 'connectionAttempt', 'connectionAttemptFailed');
  const error = await failure(client);
  assert.ok(error instanceof AggregateError);
  assert.deepEqual([error.code, error.message, error.errors.map((one) => one.address)], ['ECONNREFUSED', '', ['127.0.0.1', '127.0.0.2']]);
  assert.equal(seen.filter((name) => name.startsWith('connectionAttempt ')).length, 2);
  assert.deepEqual(client.autoSelectFamilyAttemptedAddresses, [`127.0.0.1:${port}`, `127.0.0.2:${port}`]);
  const alone = net.connect({ port, host: 'one.test', lookup, autoSelectFamily: false });
  const plain = await failure(alone);
  assert.deepEqual([plain instanceof AggregateError, plain.code], [false, 'ECONNREFUSED']);
});

both('of two addresses the second, when the first refuses', async (t, net) => {
  const server = await listen(t, net);
  const found = [{ address: '127.0.0.2', family: 4 }, { address: '127.0.0.1', family: 4 }];
  const lookup = (host, options, callback) => setImmediate(callback, null, found);
  const client = net.connect({ port: server.address().port, host: 'two.test', lookup, autoSelectFamily: true });
  t.after(() => client.destroy());
  await once(client, 'connect');
  assert.equal(client.remoteAddress, '127.0.0.1');
});

both('an address that refuses when its time is over already says nothing of the next one', async (t, net) => {
  const server = await listen(t, net);
  const found = [{ address: '127.0.0.2', family: 4 }, { address: '127.0.0.1', family: 4 }];
  const lookup = (host, options, callback) => setImmediate(callback, null, found);
  const client = net.connect({ port: server.address().port, host: 'two.test', lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 50 });
  t.after(() => client.destroy());
  client.once('connectionAttempt', () => process.nextTick(busy, 120));
  const failed = [];
  client.on('connectionAttemptFailed', (address) => failed.push(address));
  await once(client, 'connect');
  assert.equal(client.remoteAddress, '127.0.0.1');
  assert.ok(!failed.includes('127.0.0.1'), failed);
});

both('a dozen addresses: all are tried, without a warning of listeners', async (t, net) => {
  const port = await freePort();
  const found = Array.from({ length: 12 }, (_, at) => ({ address: `127.0.0.${at + 1}`, family: 4 }));
  const lookup = (host, options, callback) => setImmediate(callback, null, found);
  const warnings = [];
  const warned = ({ name }) => warnings.push(name);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const client = net.connect({ port, host: 'dozen.test', lookup, autoSelectFamily: true });
  const error = await failure(client);
  await close(client);
  assert.deepEqual([error.errors.length, warnings], [12, []]);
  assert.deepEqual([client.listenerCount('connect'), client.listenerCount('close')], [0, 0]);
});

both('whoever was reset before the server could look has connected all the same', async (t, net) => {
  const server = await listen(t, net);
  const seen = record(server, 'connection');
  const closed = [];
  server.on('connection', (socket) => socket.resume().on('close', () => closed.push(socket)));
  const done = new Int32Array(new SharedArrayBuffer(4));
  const source = `
    const net = require('node:net');
    const { workerData: { port, done } } = require('node:worker_threads');
    for (let count = 0; count < 5; count += 1) {
      const socket = net.connect(port, '127.0.0.1', () => socket.write('x', () => socket.resetAndDestroy()));
      socket.on('close', () => Atomics.add(done, 0, 1) === 4 && Atomics.notify(done, 0));
    }`;
  const worker = new Worker(source, { eval: true, workerData: { port: server.address().port, done } });
  t.after(() => worker.terminate());
  for (let count = 0; count < 5; count = Atomics.load(done, 0)) Atomics.wait(done, 0, count);
  await eventually(() => closed.length === 5);
  assert.equal(seen.length, 5);
});

both('a name that is none: the error of the look-up', async (t, net) => {
  const lookup = (host, options, callback) => setImmediate(callback, Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' }));
  const client = net.connect({ port: 1, host: 'x.invalid', lookup });
  const seen = record(client, 'lookup');
  assert.equal((await failure(client)).code, 'ENOTFOUND');
  assert.deepEqual(seen, ['lookup ENOTFOUND undefined undefined x.invalid']);
});

// ---- Unix sockets ----

both('a Unix path: address() is the path, and it goes with the server', async (t, net) => {
  const path = join(temporaryFolder(t), 'a?b%25.sock');
  const { server, client, peer } = await pair(t, net, { path });
  assert.deepEqual([server.address(), client.remoteAddress, peer.remoteFamily], [path, undefined, undefined]);
  peer.end('x');
  assert.equal(String(await all(client)), 'x');
  await called((done) => server.close(done));
  assert.equal(existsSync(path), false);
});

both('a Unix path of 107 bytes works, a longer one is EINVAL and never cut', async (t, net) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'x'.repeat(107 - folder.length - 1));
  assert.equal((await listen(t, net, {}, path)).address(), path);
  const longer = net.createServer().listen(`${path}yy`);
  const error = await failure(longer);
  assert.deepEqual([error.code, error.syscall, existsSync(path.slice(0, -1))], ['EINVAL', 'listen', false]);
  assert.equal((await failure(net.connect(`${path}yy`))).code, 'EINVAL');
}, { since: 24 });

both('an abstract name has its length', async (t, net) => {
  const { client, peer, server } = await pair(t, net, { path: `\0reactor-net-${process.pid}-${Math.random()}` });
  assert.ok(server.address().startsWith('\0reactor-net-'));
  peer.end('abstract');
  assert.equal(String(await all(client)), 'abstract');
});

both('a path that nothing listens at: ENOENT, with the path', async (t, net) => {
  const path = join(temporaryFolder(t), 'none');
  const error = await failure(net.connect(path));
  assert.deepEqual([error.code, error.address, error.message], ['ENOENT', path, `connect ENOENT ${path}`]);
});

both('a path that is a file is in use, and left alone', async (t, net) => {
  const path = join(temporaryFolder(t), 'file');
  writeFileSync(path, 'mine');
  assert.equal((await failure(net.createServer().listen(path))).code, 'EADDRINUSE');
  assert.equal(statSync(path).size, 4);
});

both('a path that another file has taken is not removed', async (t, net) => {
  const path = join(temporaryFolder(t), 'replaced');
  const server = await listen(t, net, {}, path);
  unlinkSync(path);
  writeFileSync(path, 'another');
  await called((done) => server.close(done));
  assert.ok(existsSync(path));
}, { differs: 'it removes what is another one now' });

both('readableAll and writableAll are the permissions of the path', async (t, net) => {
  const path = join(temporaryFolder(t), 'open');
  await listen(t, net, {}, { path, readableAll: true, writableAll: true });
  assert.equal(statSync(path).mode & 0o666, 0o666);
});

both('resetAndDestroy of a Unix socket throws, and it stays open', async (t, net) => {
  const { client } = await pair(t, net, { path: join(temporaryFolder(t), 'reset') });
  assert.throws(() => client.resetAndDestroy(), { code: 'ERR_INVALID_HANDLE_TYPE' });
  assert.equal(client.destroyed, false);
});

// ---- descriptors, and the process ----

both('descriptors that were inherited: a listener, and a stream', async (t, net, isOurs) => {
  const listener = node.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  const child = spawn(process.execPath, [program, isOurs ? 'ours' : 'node'], { stdio: ['ignore', 'inherit', 'inherit', listener._handle, 'pipe'] });
  t.after(() => child.kill());
  const [, , , , stream] = child.stdio;
  const [hello] = await once(stream, 'data');
  assert.equal(String(hello), 'listening');
  // What the kernel deals out is now the child's.
  await called((done) => listener.close(done));
  const client = node.connect(port, '127.0.0.1');
  const [answer] = await once(client, 'data');
  assert.equal(String(answer), 'from the descriptor');
  stream.end('stop');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

both('a signal closes the server; asyncDispose, too', async (t, net) => {
  const controller = new AbortController();
  const server = net.createServer().listen({ port: 0, host: '127.0.0.1', signal: controller.signal });
  await once(server, 'listening');
  controller.abort();
  await once(server, 'close');
  const second = await listen(t, net);
  await second[Symbol.asyncDispose]();
  assert.equal(second.listening, false);
});

both('what is no place to listen at throws', async (t, net) => {
  assert.throws(() => net.createServer().listen({ port: -1 }), { code: 'ERR_SOCKET_BAD_PORT', name: 'RangeError' });
  assert.throws(() => net.createServer().listen({}), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => net.connect({}), { code: 'ERR_MISSING_ARGS' });
  assert.throws(() => net.connect(70_000), { code: 'ERR_SOCKET_BAD_PORT' });
});

both('without new, and by inheritance of the old kind', async (t, net) => {
  function Old() {
    net.Server.call(this);
  }
  Object.setPrototypeOf(Old.prototype, net.Server.prototype);
  const server = new Old();
  await called((done) => server.listen(0, '127.0.0.1', done));
  assert.ok(server instanceof net.Server && net.Socket() instanceof net.Socket);
  await called((done) => server.close(done));
});

both('an error of a listener is an uncaught exception, and the socket goes on', async (t, net, isOurs) => {
  const child = spawn(process.execPath, [program, isOurs ? 'ours' : 'node', 'throws'], { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  assert.equal(String(await all(child.stdout)), 'caught thrown, then second\n');
});

both('process.exit() after a write: the bytes are out', async (t, net, isOurs) => {
  const server = node.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  spawn(process.execPath, [program, isOurs ? 'ours' : 'node', 'exits', server.address().port], { stdio: 'inherit', env: process.env });
  const [socket] = await accepted;
  assert.equal(String(await all(socket)), 'the last words');
});

both('an unref of all lets the process end', async (t, net, isOurs) => {
  const child = spawn(process.execPath, [program, isOurs ? 'ours' : 'node', 'unrefs'], { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  assert.equal(String(await all(child.stdout)), 'unreferenced\n');
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 0);
});

both('getters of one that never connected', async (t, net) => {
  const socket = new net.Socket();
  assert.deepEqual([socket.pending, socket.connecting, socket.readyState, socket.remoteAddress], [true, false, 'open', undefined]);
  assert.deepEqual([socket.address(), socket.bytesRead, socket.bytesWritten], [{}, 0, 0]);
  assert.equal(ours.isIP('::1'), 6);
});
