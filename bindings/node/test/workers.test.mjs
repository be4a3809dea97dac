// Workers end with a server in them. The program is a process of its own, whose descriptors are counted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { isInline } from './support.mjs';

const PROGRAM = fileURLToPath(new URL('programs/workers.mjs', import.meta.url));
const mode = isInline ? 'inline' : 'threads';

test('24 Workers with a busy server end in four ways, and leave no descriptor; their clients see the end', async () => {
  const child = spawn(process.execPath, [PROGRAM, mode], { timeout: 50_000, killSignal: 'SIGKILL' });
  let [out, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const [code, signal] = await once(child, 'close');
  const lines = ['terminate: 1', 'exit: 3', 'throw: 1', 'unref: 0', 'left: ', ''];
  assert.deepEqual({ code, signal, out, errors }, { code: 0, signal: null, out: lines.join('\n'), errors: '' });
});
