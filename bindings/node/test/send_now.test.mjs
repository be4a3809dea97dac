// What `server.sendNow()` gives the kernel, and where it has nothing to wait for.
import assert from 'node:assert/strict';
import test from 'node:test';

import { connect, deferred, readAll, serve } from './support.mjs';

/** What a callback does with its connection when it has written. */
const ENDS = {
  'goes on': () => {},
  'is ended': (conn) => conn.end(),
  'is closed': (conn) => conn.close(),
  'is held': (conn) => conn.hold(),
  'is detached': (conn) => conn.detach(),
};

for (const [how, end] of Object.entries(ENDS)) {
  test(`what was written to a connection that ${how} is sent when sendNow returns`, async (t) => {
    const sent = deferred();
    const server = await serve(t, {
      onData(conn) {
        conn.write('one');
        conn.write(Buffer.alloc(10_000));
        end(conn);
        conn.server.sendNow();
        sent.resolve(conn.info());
      },
      onDetach: (conn, detached) => void detached.toSocket().on('error', () => {}).end(),
      onError: sent.reject,
    });
    const client = await connect(t, server);
    const all = how === 'is ended' || how === 'is closed' ? readAll(client) : null;
    client.write('x');
    const { bytesSent, queuedBytes } = await sent.promise;
    assert.deepEqual([bytesSent, queuedBytes], [10_003, 0]);
    if (all) assert.equal((await all).length, 10_003);
  });
}

test('sendNow in onStart waits for no loop: none runs yet', async (t) => {
  const server = await serve(t, {
    onStart(starting) {
      // Were it to wait, it would do so for longer than a test may take.
      for (let times = 0; times < 100; times += 1) starting.sendNow();
    },
    onData: (conn, data) => void conn.end(data),
  });
  const client = await connect(t, server);
  client.write('x');
  assert.equal((await readAll(client)).toString(), 'x');
});
