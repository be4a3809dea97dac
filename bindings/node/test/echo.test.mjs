import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import test from 'node:test';

import { Server } from 'reactor-engine';

import { LOOPBACK, connect, readAll, temporaryFolder } from './support.mjs';

const CLIENTS = 12;

/** Sends random blocks, shuts its side down, and expects all of them back. */
async function client(t, server, index) {
  const socket = await connect(t, server, index % 2);
  const blocks = Array.from({ length: 4 }, () => randomBytes(randomInt(1 << 20)));
  const answer = readAll(socket);
  for (const block of blocks) socket.write(block);
  socket.end();
  assert.ok((await answer).equals(Buffer.concat(blocks)), 'the answer is not what was sent');
}

for (const loops of [1, 2, 5]) {
  test(`D1 L5: random blocks come back equal over TCP and Unix, with ${loops} loops`, async (t) => {
    const counts = { open: 0, close: 0 };
    const path = `${temporaryFolder(t)}/echo`;
    const server = new Server(
      {
        onOpen: () => void (counts.open += 1),
        onData: (conn, data) => void conn.write(data),
        onClose: (conn, reason) => void (counts.close += reason === 'eof'),
        onError: (error) => assert.fail(error),
      },
      { loops },
    );
    server.listen(LOOPBACK);
    server.listen(`unix://${path}`);
    await server.start();
    t.after(() => server.stop());
    await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(t, server, index)));
    await server.stop();
    assert.deepEqual(counts, { open: CLIENTS, close: CLIENTS });
    assert.equal(existsSync(path), false);
  });
}

test('D1: many small writes in one callback and from outside arrive in order', async (t) => {
  const server = new Server(
    {
      onOpen(conn) {
        for (let i = 0; i < 1000; i += 1) conn.write(`${i} `);
        setImmediate(() => {
          for (let i = 1000; i < 2000; i += 1) server.write(conn.id, `${i} `);
          server.close(conn.id);
        });
      },
    },
    { loops: 1 },
  );
  server.listen(LOOPBACK);
  await server.start();
  t.after(() => server.stop());
  const all = await readAll(await connect(t, server));
  assert.equal(all.toString(), Array.from({ length: 2000 }, (_, i) => `${i} `).join(''));
});
