// The programs that run JavaScript: each Node from 22 on runs all tests of the package, those of 20 serve; Bun and Deno serve on threads.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

import { HERE, MODES, ROOT, checked, fetched, installed, run, served, smoke } from './support.mjs';

const NODES = ['20.0.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0'];
const BUN = '1.4.5';
const DENO = '2.9.6';

const program = (name, version) => join(fetched(`${name}@${version}`), '.bin', name);
const others = () => ({ bun: [program('bun', BUN)], deno: [program('deno', DENO), 'run', '--quiet', '--allow-all'] });

for (const version of NODES) {
  test(`Node ${version} serves, in both modes`, (t) => {
    const node = program('node', version);
    assert.equal(checked(ROOT, [node, '--version']), `v${version}\n`);
    const folder = installed(t);
    for (const mode of MODES) assert.equal(smoke(folder, [node], mode), served(mode));
  });
}

for (const version of NODES.slice(2)) {
  test(`all tests of the package pass on Node ${version}`, () => {
    const node = program('node', version);
    const done = run(join(ROOT, 'bindings/node'), [node, 'scripts/test.cjs'], { PATH: `${dirname(node)}:${process.env.PATH}` });
    assert.equal(done.status, 0, done.stdout.slice(-20_000));
    assert.match(done.stdout, /^(# |ℹ )pass [1-9]\d+$/m);
  });
}

test('Bun and Deno serve on threads, and say why they do not serve inline', (t) => {
  const folder = installed(t);
  const refusals = { bun: /mode 'inline' needs libuv, which Bun has not/, deno: /mode 'inline' needs libuv's uv_poll_start/ };
  for (const [name, command] of Object.entries(others())) {
    assert.equal(smoke(folder, command, 'threads'), served('threads'), name);
    const refused = run(folder, [...command, 'smoke.mjs', 'inline']);
    assert.equal(refused.status, 1, name);
    assert.match(refused.stderr, refusals[name]);
  }
});

test('in Bun and Deno, too, a Worker that is terminated takes its server along, with all descriptors', (t) => {
  const folder = installed(t);
  cpSync(join(HERE, 'workers.mjs'), join(folder, 'workers.mjs'));
  for (const [name, command] of Object.entries(others())) {
    assert.equal(checked(folder, [...command, 'workers.mjs']), 'descriptors left: 0, who was connected was told: 10\n', name);
  }
});
