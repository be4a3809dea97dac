// The examples, as a newcomer runs them: from a folder of their own, with the package in node_modules.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { read, readAll, target, temporaryFolder } from './support.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const EXAMPLES = fileURLToPath(new URL('../../../examples/node', import.meta.url));

/** Starts an example; it ends with the test, at the latest. */
function launch(t, name, args, change = (source) => source) {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PACKAGE, join(folder, 'node_modules', 'reactor-engine'));
  const program = join(folder, name);
  writeFileSync(program, change(readFileSync(join(EXAMPLES, name), 'utf8')));
  copyFileSync(join(EXAMPLES, 'launch.mjs'), join(folder, 'launch.mjs'));
  const child = spawn(process.execPath, [program, ...args], { timeout: 20_000, killSignal: 'SIGKILL' });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const ended = once(child, 'close').then(([code]) => ({ code, errors }));
  const line = async () => (await lines.next()).value;
  return { child, line, ended };
}

const address = (line) => target(line.slice('listening on '.length));

/** Sends bytes, shuts down, and gives what comes back. */
async function ask(where, text) {
  const socket = net.connect({ ...where, allowHalfOpen: true });
  socket.end(text);
  return (await readAll(socket)).toString();
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`echo serves until ${signal}, with clients attached`, async (t) => {
    const path = join(temporaryFolder(t), 'echo');
    const { child, line, ended } = launch(t, 'echo.mjs', ['--listen', 'tcp://127.0.0.1:0', '--listen', `unix://${path}`, '--loops', '2']);
    const lines = [await line(), await line()];
    assert.match(lines[0], /^listening on tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    assert.equal(lines[1], `listening on unix://${path}`);
    for (const where of lines.map(address)) assert.equal(await ask(where, 'hello'), 'hello');
    const attached = net.connect(address(lines[0]));
    attached.on('error', () => {});
    attached.write('x');
    await read(attached, 1);
    child.kill(signal);
    assert.deepEqual(await ended, { code: 0, errors: '' });
    attached.destroy();
  });
}

/** Arguments, and what the one line on standard error quotes. */
const WRONG = [
  [[], '--listen'],
  [['--bogus'], '--bogus'],
  [['--listen'], '--listen'],
  [['--listen', '--loops', '2'], '--listen'],
  [['--listen', 'tcp://127.0.0.1:0', '--loops', 'abc'], 'abc'],
  [['--listen', 'tcp://127.0.0.1:0', '--loops', '5000'], '5000'],
  [['--listen', 'tcp://127.0.0.1:0', '--loops', '-1'], '"-1"'],
  [['--listen', 'tcp://127.0.0.1:0', '--loops', '1\n2'], '"1\\n2"'],
  [['--listen', '-x'], '-x'],
  [['--listen', 'ftp://x\ny:1'], 'y:1'],
  [['--listen', 'tcp://127.0.0.1:0', 'extra'], 'extra'],
  [['--listen', 'ftp://x:1'], 'ftp://x:1'],
  [['--listen', 'tcp://127.0.0.1:0?what=1'], 'tcp://127.0.0.1:0?what=1'],
];

for (const [args, quoted] of WRONG) {
  test(`echo refuses ${JSON.stringify(args)} in one line`, async (t) => {
    const { code, errors } = await launch(t, 'echo.mjs', args).ended;
    assert.equal(code, 1);
    assert.equal(errors.split('\n').length, 2, errors);
    assert.ok(errors.startsWith('echo: ') && errors.includes(quoted), errors);
  });
}

test('the quick start is at most fifteen lines of code, and echoes', async (t) => {
  const change = (source) => source.replace("'tcp://:5000'", "'tcp://127.0.0.1:0'");
  const source = readFileSync(join(EXAMPLES, 'quickstart.mjs'), 'utf8');
  assert.notEqual(change(source), source);
  const code = source.split('\n').filter((text) => text.trim() && !text.startsWith('//'));
  assert.ok(code.length <= 15, `${code.length} lines`);
  const { child, line, ended } = launch(t, 'quickstart.mjs', [], change);
  assert.equal(await ask(address(await line()), 'hello'), 'hello');
  child.kill('SIGINT');
  assert.deepEqual(await ended, { code: 0, errors: '' });
});
