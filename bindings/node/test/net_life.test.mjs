// How connections begin and end, as node:net has it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Conn } from 'reactor-engine';

import { all, assert, both, called, close, failure, freePort, listen, pair, pause, record, until } from './net_support.mjs';

const program = fileURLToPath(new URL('programs/net_descriptor.mjs', import.meta.url));

both('half-close: data, end, prefinish, finish, close(false)', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const seen = record(client, 'data', 'end', 'prefinish', 'finish', 'close');
  peer.end('x');
  await close(client);
  assert.deepEqual(seen, ['data x', 'end', 'prefinish', 'finish', 'close false']);
});

both('allowHalfOpen: nothing after end until one ends oneself', async (t, net) => {
  const { client, peer } = await pair(t, net, { ofClient: { allowHalfOpen: true } });
  const seen = record(client, 'data', 'end', 'finish', 'close');
  const answer = all(peer);
  peer.end('x');
  await once(client, 'end');
  await pause();
  assert.deepEqual(seen, ['data x', 'end']);
  assert.equal(client.readyState, 'writeOnly');
  client.end('y');
  await close(client);
  assert.deepEqual(seen, ['data x', 'end', 'finish', 'close false']);
  assert.equal(String(await answer), 'y');
});

both('destroy(error): error in the next tick, close after immediates; no end; the peer sees an end', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const seen = record(client, 'error', 'close', 'end');
  const peers = record(peer, 'error', 'end');
  peer.resume();
  client.destroy(new Error('x'));
  assert.deepEqual([client.destroyed, seen], [true, []]);
  process.nextTick(() => seen.push('tick'));
  setImmediate(() => seen.push('immediate'));
  await close(client);
  assert.deepEqual(seen, ['error x', 'tick', 'immediate', 'close true']);
  if (peers.length === 0) await once(peer, 'end');
  assert.deepEqual(peers, ['end']);
});

both('destroy(): readableAborted, close(false), and no end', async (t, net) => {
  const { client } = await pair(t, net);
  const seen = record(client, 'error', 'close', 'end');
  client.destroy();
  await close(client);
  assert.deepEqual(seen, ['close false']);
  assert.deepEqual([client.readableAborted, client.readableEnded, client.closed], [true, false, true]);
});

both('write after end: to the callback, then error, close(true)', async (t, net) => {
  const { client } = await pair(t, net);
  const seen = record(client, 'error', 'close');
  client.end();
  client.write('x', (error) => seen.push(`callback ${error.code}`));
  await close(client);
  assert.deepEqual(seen, ['callback ERR_STREAM_WRITE_AFTER_END', 'error ERR_STREAM_WRITE_AFTER_END', 'close true']);
});

both('write after destroy, and after close: to the callback only', async (t, net) => {
  const { client } = await pair(t, net);
  const seen = record(client, 'error');
  client.destroy();
  const [early] = await called((done) => client.write('x', done));
  assert.equal(early.code, 'ERR_STREAM_DESTROYED');
  if (!client.closed) await close(client);
  assert.deepEqual(seen, []);
});

both('write after the automatic end: EPIPE, to the callback only', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const seen = record(client, 'error');
  client.resume();
  peer.end();
  await close(client);
  const [error] = await called((done) => assert.equal(client.write('x', done), false));
  assert.deepEqual([error.code, error.message, seen], ['EPIPE', 'This socket has been ended by the other party', []]);
});

both('end(data, callback): the callback comes before listeners of finish; a second end has finished', async (t, net) => {
  const { client, peer } = await pair(t, net);
  peer.resume();
  const seen = record(client, 'finish');
  await called((done) => client.end('x', () => done(seen.push('callback'))));
  await pause();
  assert.deepEqual(seen, ['callback', 'finish']);
  const [error] = await called((done) => client.end(done));
  assert.equal(error.code, 'ERR_STREAM_ALREADY_FINISHED');
});

both('addresses: while it lives; after the close only if they were read', async (t, net) => {
  const { client, peer, server } = await pair(t, net);
  const { port } = server.address();
  assert.deepEqual([client.remoteAddress, client.remotePort, client.remoteFamily], ['127.0.0.1', port, 'IPv4']);
  assert.deepEqual(client.address(), { address: '127.0.0.1', family: 'IPv4', port: client.localPort });
  assert.equal(peer.localPort, port);
  client.destroy();
  peer.resume();
  await Promise.all([close(client), close(peer)]);
  assert.deepEqual([client.remoteAddress, peer.remoteAddress], ['127.0.0.1', undefined]);
});

both('a server of both families sees IPv4 mapped', async (t, net) => {
  const server = await listen(t, net, {}, 0);
  assert.deepEqual([server.address().address, server.address().family], ['::', 'IPv6']);
  const client = net.connect(server.address().port, '127.0.0.1');
  const [peer] = await once(server, 'connection');
  assert.deepEqual([peer.remoteAddress, peer.remoteFamily, peer.localAddress], ['::ffff:127.0.0.1', 'IPv6', '::ffff:127.0.0.1']);
  client.destroy();
});

both('resetAndDestroy: TCP is reset', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const broken = failure(peer);
  assert.equal(client.resetAndDestroy(), client);
  assert.equal((await broken).code, 'ECONNRESET');
});

both('a reset while it is paused: what it has is never delivered', async (t, net) => {
  const { client, peer } = await pair(t, net);
  const seen = record(client, 'data', 'error', 'close');
  client.pause();
  await called((done) => peer.write('12345', done));
  await pause();
  client.pause();
  peer.resetAndDestroy();
  await pause();
  client.resume();
  if (!client.closed) await close(client);
  assert.deepEqual(seen, ['error ECONNRESET', 'close true']);
});

both('destroy() with bytes unread: the peer, which writes on, is reset', async (t, net, isOurs) => {
  const { client, peer } = await pair(t, net, { ofServer: { allowHalfOpen: true } });
  client.pause();
  const broken = failure(peer);
  peer.resume();
  peer.write(Buffer.alloc(1 << 20));
  await pause();
  client.destroy();
  const writing = setInterval(() => peer.write('more'), 5);
  t.after(() => clearInterval(writing));
  const { code } = await broken;
  // Ours sees what this side has written, and its end, before the reset.
  assert.ok(isOurs ? ['EPIPE', 'ECONNRESET'].includes(code) : code === 'ECONNRESET', code);
});

both('ECONNREFUSED: error, close(true); a write that waits fails after the close', async (t, net) => {
  const port = await freePort();
  const client = net.connect(port, '127.0.0.1');
  const seen = record(client, 'connectionAttempt', 'error', 'close');
  const written = called((done) => client.write('x', (error) => done(seen.push(`callback ${error.code}`))));
  const error = await failure(client);
  assert.deepEqual([error.errno, error.code, error.syscall, error.address, error.port], [-111, 'ECONNREFUSED', 'connect', '127.0.0.1', port]);
  assert.equal(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
  await written;
  const attempts = seen.filter((name) => !name.startsWith('connectionAttempt'));
  assert.deepEqual(attempts, ['error ECONNREFUSED', 'close true', 'callback ERR_SOCKET_CLOSED_BEFORE_CONNECTION']);
});

both('a write on a new socket: ERR_SOCKET_CLOSED', async (t, net) => {
  const socket = new net.Socket();
  const seen = record(socket, 'error', 'close');
  const [error] = await called((done) => socket.write('x', done));
  await immediate();
  assert.equal(error.code, 'ERR_SOCKET_CLOSED');
  assert.deepEqual(seen, ['error ERR_SOCKET_CLOSED', 'close']);
});

both('connect() on a connected socket calls the listener', async (t, net) => {
  const { client, server } = await pair(t, net);
  await called((done) => client.connect(server.address().port, '127.0.0.1', done));
  assert.equal(client.destroyed, false);
});

both('connect() on a socket that connects: EALREADY', async (t, net) => {
  const server = await listen(t, net);
  const client = new net.Socket();
  const seen = record(client, 'connect', 'ready', 'error', 'close');
  const { port } = server.address();
  client.connect(port, '127.0.0.1');
  client.connect(port, '127.0.0.1');
  const written = called((done) => client.write('x', done));
  await close(client);
  const [error] = await written;
  assert.deepEqual([seen, error.code], [['error EALREADY', 'close true'], 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION']);
});

both('the end of a connection before is nothing to a socket that has connected again', async (t, net) => {
  const { client } = await pair(t, net);
  const seen = record(client, 'error', 'close');
  const { _handle: handle } = client;
  client.destroy();
  await close(client);
  const second = await listen(t, net);
  const accepted = once(second, 'connection');
  client.connect(second.address().port, '127.0.0.1');
  const [again] = await accepted;
  // What the engine tells when its peer has taken nothing for half a minute; nobody waits for that here.
  handle.closed('time-out', 110);
  again.write('again');
  assert.equal(String(await until(client, 'data')), 'again');
  assert.deepEqual([seen, client.destroyed], [['close false'], false]);
}, { differs: 'a connection has ended when its socket has closed' });

both('destroy() before a peer that takes nothing lets the process end', async (t, net, isOurs) => {
  const server = await listen(t, net);
  const child = spawn(process.execPath, [program, isOurs ? 'ours' : 'node', 'destroys', server.address().port], { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  const [peer] = await once(server, 'connection');
  peer.pause();
  assert.match(String(await all(child.stdout)), /^destroyed \d+\nended with it open\n$/);
});

both('destroy() before a peer that takes what was written: it has all of it', async (t, net) => {
  const server = await listen(t, net);
  const child = spawn(process.execPath, [program, 'ours', 'destroys', server.address().port], { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  const [peer] = await once(server, 'connection');
  peer.pause();
  const said = String(await until(child.stdout, 'data'));
  assert.equal((await all(peer)).length, Number(said.match(/\d+/)[0]));
}, { differs: 'cuts what the kernel has not taken' });

both('a connection that goes while its writing side is shut down: the end has one answer', async (t, net) => {
  const { client } = await pair(t, net);
  client.resume();
  t.mock.method(Conn.prototype, 'end', () => {
    throw Object.assign(new Error('gone'), { code: 'CLOSED' });
  }, { times: 1 });
  let answers = 0;
  client._handle.shutdown(() => (answers += 1));
  await pause();
  assert.equal(answers, 1);
}, { differs: 'it is one call' });

both('a socket connects again after its close', async (t, net) => {
  const { client, peer, server } = await pair(t, net);
  client.resume();
  peer.end('x');
  await close(client);
  client.connect(server.address().port, '127.0.0.1');
  client.write('written again');
  const [again] = await once(server, 'connection');
  assert.equal(String(await until(again, 'data')), 'written again');
  again.end('again');
  client.setEncoding('utf8');
  assert.equal(await until(client, 'data'), 'again');
  assert.equal(client.bytesRead, 5);
});

both('a signal ends it', async (t, net) => {
  const server = await listen(t, net);
  const controller = new AbortController();
  const client = net.connect({ port: server.address().port, host: '127.0.0.1', signal: controller.signal });
  const seen = record(client, 'connect', 'close');
  controller.abort();
  assert.equal((await failure(client)).name, 'AbortError');
  await close(client);
  assert.deepEqual(seen, ['close true']);
});
