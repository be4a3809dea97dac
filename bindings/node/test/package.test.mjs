// What is in the package that npm packs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

test('the package has its README and its licences', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: PACKAGE, encoding: 'utf8' });
  const files = JSON.parse(packed)[0].files.map(({ path }) => path);
  for (const name of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'lib/index.js', 'types/index.d.ts']) {
    assert.ok(files.includes(name), `${name} is not in ${files}`);
  }
});

test('its licences are those of the project', () => {
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    assert.equal(readFileSync(join(PACKAGE, name), 'utf8'), readFileSync(join(ROOT, name), 'utf8'));
  }
});
