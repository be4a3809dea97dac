// Libraries that want sockets, as they come, with reactor-engine/net where they ask for `net`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('libraries/', import.meta.url));
const substitute = `${folder}substitute.cjs`;

const programs = readdirSync(folder).filter((file) => /\.c?js$/.test(file) && file !== 'substitute.cjs');
assert.notEqual(programs.length, 0);

for (const name of programs) {
  test(name.replace('.cjs', ''), async (t) => {
    const program = spawn(process.execPath, ['--require', substitute, `${folder}${name}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => program.kill('SIGKILL'));
    let text = '';
    for (const stream of [program.stdout, program.stderr]) stream.on('data', (chunk) => (text += chunk));
    const [code] = await once(program, 'close');
    assert.equal(code, 0, `${name} ended with ${code}:\n${text}`);
    assert.match(text, /done$/m);
  });
}
