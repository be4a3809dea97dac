// What is in the package, as far as it can be seen without packing it; packages/ tries what is packed.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LICENCES = ['LICENSE-MIT', 'LICENSE-APACHE'];

test('its licences are those of the project', () => {
  for (const name of LICENCES) assert.equal(readFileSync(join(PACKAGE, name), 'utf8'), readFileSync(join(ROOT, name), 'utf8'));
});

test('its version is that of the crates', () => {
  const [, version] = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8').match(/\[workspace\.package\]\nversion = "(.*)"/);
  assert.equal(require('../package.json').version, version);
});

test('what it names is there, and its own scripts are not for whoever installs it', () => {
  const { main, types, exports, private: isPrivate, scripts } = require('../package.json');
  const entries = Object.values(exports).flatMap((each) => (typeof each === 'string' ? [each] : Object.values(each)));
  for (const path of [main, types, ...entries]) assert.ok(existsSync(join(PACKAGE, path)), path);
  assert.deepEqual({ isPrivate, install: scripts.install }, { isPrivate: true, install: 'node scripts/install.cjs' });
});

test('whatever it exports can be imported by its name', async () => {
  for (const entry of ['reactor-engine', 'reactor-engine/net']) {
    const imported = Object.keys(await import(entry)).filter((each) => !['default', 'module.exports'].includes(each));
    assert.deepEqual(imported.sort(), Object.keys(require(entry)).sort(), entry);
  }
});

test('bundlers find the addon of each platform by a literal in the source', () => {
  const source = readFileSync(join(PACKAGE, 'lib/addon.js'), 'utf8');
  const found = [...source.matchAll(/require\('([^']+)'\)/g)].map(([, name]) => name);
  const platforms = require('../packages/platforms.cjs').PLATFORMS;
  assert.deepEqual(found, ['./reactor.node', ...platforms.map(({ name }) => name)]);
  for (const { name, os, cpu } of platforms) assert.ok(source.includes(`['${os} ${cpu}', '${name}']`), name);
});
