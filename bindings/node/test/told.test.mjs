// M2: what an operator must know is told without being asked, at most once a second of a kind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Server } from 'reactor-engine';

import { LOOPBACK, connect } from './support.mjs';

const { Told } = createRequire(import.meta.url)('../lib/told.js');
const PROGRAM = fileURLToPath(new URL('programs/descriptors.mjs', import.meta.url));

/** Descriptors that the program may have: more than Node needs for itself. */
const LIMIT = 60;

for (const loops of [1, 2]) {
  test(`R1: out of descriptors, with ${loops} loops`, async (t) => {
    const limited = ['-c', `ulimit -n ${LIMIT} && exec "$0" "$@"`, process.execPath, PROGRAM, String(loops)];
    const child = spawn('sh', limited, { timeout: 30_000, killSignal: 'SIGKILL' });
    const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
    const server = { addresses: [url.trim()] };
    let errors = '';
    const told = new Promise((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text) => {
        errors += text;
        if (errors.includes('cannot accept')) resolve();
      });
    });
    const sockets = await Promise.all(Array.from({ length: LIMIT + 10 }, () => connect(t, server)));
    await told;
    assert.match(errors, /\[REACTOR_ENGINE\] ReactorWarning: tcp:\/\/127\.0\.0\.1:\d+: cannot accept, trying again: .*\(os error 24\)/);
    sockets.forEach((socket) => socket.destroy());
    child.stdin.end();
    assert.deepEqual(await once(child, 'close'), [0, null]);
  });
}

test('one of a kind is told in a second, whatever the numbers in it', (t) => {
  const warned = t.mock.method(process, 'emitWarning', () => {});
  const told = new Told();
  told.tell('tcp://127.0.0.1:1: cannot accept', 1000);
  told.tell('tcp://127.0.0.1:22: cannot accept', 1999);
  told.tell('another matter', 1999);
  told.tell('tcp://127.0.0.1:3: cannot accept', 2000);
  const texts = warned.mock.calls.map((call) => call.arguments[0].message);
  assert.deepEqual(texts, ['tcp://127.0.0.1:1: cannot accept', 'another matter', 'tcp://127.0.0.1:3: cannot accept']);
});

test('a server that runs and listens nowhere is told of, unless it listens soon', async (t) => {
  const soon = new Server({}, { loops: 1 });
  const never = new Server({}, { loops: 1 });
  t.after(() => Promise.all([soon.stop(), never.stop()]));
  const warnings = [];
  const listener = (warning) => void warnings.push(warning.message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  await soon.start();
  soon.listen(LOOPBACK);
  const warned = once(process, 'warning');
  await never.start();
  await warned;
  assert.deepEqual(warnings, ['a server runs that listens nowhere, and so nobody can connect: call listen']);
});
