// How long a process lives, and how it ends. Each case is a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('programs/lifetime.mjs', import.meta.url));

/** Runs a program to its end; `onLine` may act on what it says. One that hangs is killed, which fails the test. */
function run(name, onLine = () => {}) {
  const child = spawn(process.execPath, [PROGRAM, name], { timeout: 20_000, killSignal: 'SIGKILL' });
  const lines = [];
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    for (const line of text.split('\n').filter(Boolean)) {
      lines.push(line);
      onLine(line, child);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, lines, errors })));
}

const quiet = (lines, code = 0) => ({ code, signal: null, lines, errors: '' });

test('a server that is not started does not keep the process alive, which is told of', async () => {
  const { errors, ...ended } = await run('unstarted');
  assert.deepEqual({ ...ended, errors: '' }, quiet([]));
  assert.match(errors, /ReactorWarning: a server listens at tcp:\/\/127\.0\.0\.1:\d+ and was never started: call start or run/);
});

test('one that was stopped instead, and one that does not listen, are nothing to tell of', async () => {
  assert.deepEqual(await run('given up'), quiet([]));
});

test('nor does one whose start was refused', async () => {
  assert.deepEqual(await run('refused start'), quiet(['HANDLER_FAILED']));
});

test('a running server keeps the process alive, and a stopped one lets it end', async () => {
  assert.deepEqual(await run('stopped'), quiet(['started', 'onStop']));
});

test('an unreferenced server lets the process end though it runs', async () => {
  assert.deepEqual(await run('unref'), quiet(['started']));
});

test('one that is referenced again keeps it alive', async () => {
  assert.deepEqual(await run('unref later, and ref again'), quiet(['onStop']));
});

test('S2: SIGINT ends run cleanly, and its listener goes', async () => {
  const result = await run('run', (line, child) => line === 'listeners 1' && child.kill('SIGINT'));
  assert.deepEqual(result, quiet(['listeners 1', 'onStop', 'listeners 0']));
});

test('handleSignals: false leaves SIGINT alone', async () => {
  const result = await run('run without signals', (line, child) => child.kill('SIGINT'));
  assert.deepEqual(result, { code: null, signal: 'SIGINT', lines: ['listeners 0'], errors: '' });
});

for (const name of ['exit', 'exit in a callback']) {
  test(`process.exit with a running, busy server: ${name}`, async () => {
    for (let round = 0; round < 5; round += 1) assert.deepEqual(await run(name), quiet([], 7));
  });
}

test('an uncaught error of the program ends it as ever', async () => {
  const { code, signal, errors } = await run('failing exit');
  assert.deepEqual([code, signal], [1, null]);
  assert.match(errors, /uncaught on purpose/);
});

test('a worker with a running, busy server can be terminated, and leaves no descriptor', async () => {
  assert.deepEqual(await run('worker'), quiet(Array(5).fill('worker ended with 1, descriptors left: 0')));
});
