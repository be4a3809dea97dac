// ioredis against redis-server, by port and by path: commands, pipelines, large values, publish and subscribe, a reconnect.
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const net = require('net');

const { Redis } = require('ioredis');

async function use(place) {
  const client = new Redis(place);
  const other = new Redis(place);
  // The server may still be starting: it connects again.
  for (const one of [client, other]) one.on('error', () => {});
  assert.equal(await client.ping(), 'PONG');
  assert.ok(client.stream instanceof net.Socket);
  const large = Buffer.alloc(4 << 20, 'large');
  await client.set('large', large);
  assert.ok(large.equals(await client.getBuffer('large')));
  const all = await Promise.all(Array.from({ length: 2000 }, (_, at) => client.incr(`count${at % 2}`)));
  assert.deepEqual([all.at(-1), all.at(-2)], [1000, 1000]);
  const pipeline = client.pipeline();
  for (let at = 0; at < 1000; at += 1) pipeline.set(`k${at}`, at).get(`k${at}`);
  assert.deepEqual((await pipeline.exec()).at(-1), [null, '999']);
  await other.subscribe('news');
  const heard = once(other, 'message');
  assert.equal(await client.publish('news', 'today'), 1);
  assert.deepEqual(await heard, ['news', 'today']);
  await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await once(other, 'ready');
  // It subscribes again after that.
  const again = once(other, 'message');
  while ((await client.publish('news', 'again')) === 0);
  assert.deepEqual(await again, ['news', 'again']);
  await client.flushall();
  client.disconnect();
  await other.quit();
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-ioredis-'));
  const path = join(folder, 'redis.sock');
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const server = spawn('redis-server', ['--port', port, '--unixsocket', path, '--dir', folder, '--save', '', '--bind', '127.0.0.1'], { stdio: 'ignore' });
  try {
    await use({ port, host: '127.0.0.1' });
    await use({ path });
    console.log('done');
  } finally {
    server.kill();
    await once(server, 'exit');
    rmSync(folder, { recursive: true });
  }
}

main();
