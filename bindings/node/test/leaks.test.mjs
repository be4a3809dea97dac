// S4: after the stop no thread and no descriptor remains.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';

import { Action, Server } from 'reactor-engine';

import { LOOPBACK, connect, readAll } from './support.mjs';

const count = () => ({ threads: readdirSync('/proc/self/task').length, descriptors: readdirSync('/proc/self/fd').length });

/** A start, a conversation and a stop. */
async function cycle(t) {
  const server = new Server({ onData: (conn, data) => (conn.write(data), Action.Close) }, { loops: 3 });
  server.listen(LOOPBACK);
  await server.start();
  const socket = await connect(t, server);
  socket.end('x');
  assert.equal((await readAll(socket)).toString(), 'x');
  const idle = await connect(t, server);
  await server.stop();
  socket.destroy();
  idle.destroy();
  await Promise.all([socket, idle].map((one) => one.closed || new Promise((resolve) => one.once('close', resolve))));
  return server;
}

test('fifty starts and stops leave no thread and no descriptor, though the servers are kept', async (t) => {
  const kept = [];
  // What Node itself sets up on the way is there after the first.
  for (let round = 0; round < 3; round += 1) kept.push(await cycle(t));
  const before = count();
  for (let round = 0; round < 50; round += 1) kept.push(await cycle(t));
  assert.deepEqual(count(), before);
  assert.equal(kept.every((server) => server.addresses.length === 1), true);
});

test('a server that was stopped before its start, and one refused, leave nothing', async () => {
  const before = count();
  for (let round = 0; round < 50; round += 1) {
    const server = new Server({ onStart: () => Action.Stop }, { loops: 3 });
    server.listen(LOOPBACK);
    if (round % 2) await assert.rejects(server.start(), { code: 'STOPPED' });
    await server.stop();
  }
  assert.deepEqual(count(), before);
});
