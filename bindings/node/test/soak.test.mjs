// A few seconds of what `make nightly` does for ten minutes: servers that are used do not grow.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const SOAK = fileURLToPath(new URL('../soak/soak.mjs', import.meta.url));

/** The time is a guard against hanging, below that of the tests'. */
const soak = (...args) => spawnSync(process.execPath, [SOAK, ...args], { encoding: 'utf8', timeout: 55_000, env: { ...process.env, NODE_OPTIONS: '' } });

test('servers that are used do not grow', () => {
  const mode = process.env.REACTOR_TEST_MODE ?? 'threads';
  const { status, stdout, stderr } = soak('--seconds', '5', mode);
  assert.deepEqual([status, stderr], [0, ''], stdout);
  assert.match(stdout, /\n1 passed, 0 failed in \d+s\n$/);
});

test('a mode that there is not, and a time that is none, are refused', () => {
  const { status, stderr } = soak('fibres');
  assert.deepEqual([status, stderr], [2, 'soak: no such mode: fibres; there are threads, inline\n']);
  assert.equal(soak('--seconds', 'ten').stderr, 'soak: --seconds must be a number above 0, not ten\n');
});
