// What packages/build has packed, installed as users install it: outside of the repository.
import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { ADDON, DIST, MODES, ROOT, TARBALL, checked, emptyFolder, filesOf, install, installed, linksOf, name, own, pathOf, run, served, smoke, version } from './support.mjs';

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** What the package itself says, in whatever else npm tells. */
const said = ({ stdout, stderr }) => `${stdout}${stderr}`.split('\n').filter((line) => line.includes('reactor-engine: '))
  .map((line) => line.replace(/^npm error /, ''));

/** What an installation has built. */
const built = (folder) => readdirSync(join(folder, 'node_modules', name, 'lib')).filter((file) => file.endsWith('.node'));

test('the package has what it needs, and nothing that was built', () => {
  const files = filesOf(TARBALL);
  for (const one of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'lib/index.js', 'types/index.d.ts', 'source/Cargo.lock', 'source/core/src/lib.rs']) {
    assert.ok(files.includes(one), `${one} is not in ${files}`);
  }
  assert.deepEqual(files.filter((one) => /\.node$|^test|node_modules|source\/target/.test(one)), []);
  const { scripts, optionalDependencies, devDependencies, private: isPrivate } = json(join(DIST, name, 'package.json'));
  assert.deepEqual({ scripts, devDependencies, isPrivate }, { scripts: { install: 'node scripts/install.cjs' }, devDependencies: undefined, isPrivate: undefined });
  assert.equal(optionalDependencies[own().name], version);
});

test('what its README and its guide link to is in it', () => {
  const files = filesOf(TARBALL);
  const links = linksOf(join(DIST, name), files.filter((one) => one.endsWith('.md')));
  for (const { page, file } of links) assert.ok(files.includes(file), `${page} links to ${file}, which is not in ${files}`);
  // Its index is linked to, and what that links to: each page.
  for (const page of ['README.md', 'guide/README.md']) assert.ok(links.some((link) => link.page === page && link.file === 'guide/framing.md'), page);
});

test('the package of a platform has the addon, a README and the licences', () => {
  assert.deepEqual(filesOf(ADDON).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json', 'reactor.node']);
  const { os, cpu, libc } = json(join(DIST, own().name, 'package.json'));
  assert.deepEqual({ os, cpu, libc }, { os: [process.platform], cpu: [process.arch], libc: [own().libc] });
});

test('the addon is for old systems, and does not tell where it was built', () => {
  const bytes = readFileSync(join(DIST, own().name, 'reactor.node'), 'latin1');
  const newest = [...bytes.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)).sort((a, b) => a - b).at(-1);
  assert.ok(newest <= 17, `it needs glibc 2.${newest}`);
  const sysroot = checked(ROOT, ['rustc', '--print', 'sysroot']).trim();
  // A folder as short as / says nothing.
  const told = [ROOT, homedir(), process.env.CARGO_HOME ?? '', sysroot].filter((path) => path.length > 1 && bytes.includes(path));
  assert.deepEqual(told, []);
});

test('it is installed without Rust, without the registry and without scripts, and serves', (t) => {
  const folder = emptyFolder(t);
  const path = pathOf(folder, []);
  const done = install(folder, [TARBALL, ADDON], path);
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(built(folder), []);
  for (const mode of MODES) assert.equal(smoke(folder, ['node'], mode, path), served(mode));
  const other = emptyFolder(t);
  assert.equal(install(other, [TARBALL, ADDON], pathOf(other, []), '--ignore-scripts').status, 0);
  assert.equal(smoke(other, ['node'], 'threads'), served('threads'));
});

test('where there is no addon it is built from the sources in the package, and nothing else stays', (t) => {
  const folder = emptyFolder(t);
  const done = install(folder, [TARBALL]);
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(built(folder), ['reactor.node']);
  for (const mode of MODES) assert.equal(smoke(folder, ['node'], mode), served(mode));
  assert.doesNotMatch(checked(folder, ['find', 'node_modules']), /target/);
});

test('an addon that does not load is built instead', (t) => {
  const folder = emptyFolder(t);
  assert.equal(install(folder, [TARBALL, ADDON], {}, '--ignore-scripts').status, 0);
  checked(folder, ['sh', '-c', `echo none > node_modules/${own().name}/reactor.node`]);
  const refused = run(folder, ['npm', 'rebuild'], pathOf(folder, []));
  assert.equal(refused.status, 1);
  assert.equal(said(refused).length, 1);
  assert.match(said(refused)[0], /^reactor-engine: the addon cannot be loaded on linux .*reactor\.node: .*; cannot build the addon: cargo was not found/);
});

const LACKING = {
  'no cargo': [[], {}, 'cargo was not found: install Rust 1.88 or newer, which has it'],
  'an old cargo': [[], { cargo: 'echo "cargo 1.75.0 (1d8b05cdd 2023-11-20)"' }, 'cargo 1.75.0 is too old: install Rust 1.88 or newer, which has it'],
  'no linker': [['rm'], { cargo: 'if [ "$1" = --version ]; then echo "cargo 1.88.0"; else exit 101; fi' },
    'cc was not found, and Rust links by it: install a C compiler, gcc or clang'],
};

for (const [lack, [names, scripts, missing]] of Object.entries(LACKING)) {
  test(`where neither is possible it says what is missing in one line: ${lack}`, (t) => {
    const folder = emptyFolder(t);
    const done = install(folder, [TARBALL], pathOf(folder, names, scripts));
    assert.equal(done.status, 1);
    const where = `${process.platform} ${process.arch}`;
    assert.deepEqual(said(done), [`reactor-engine: no prebuilt addon was installed for ${where}, and cannot build the addon: ${missing}`]);
  });
}

test('where scripts were not run, a program says in one line what to do', (t) => {
  const folder = emptyFolder(t);
  assert.equal(install(folder, [TARBALL], {}, '--ignore-scripts').status, 0);
  const done = run(folder, ['node', '--eval', 'try { require("reactor-engine") } catch ({ message }) { console.log(message) }']);
  const what = `install ${own().name}, or build it with \`npm rebuild reactor-engine\` (in a checkout: \`npm run build\`), which needs Rust`;
  assert.equal(done.stdout, `reactor-engine: the addon is missing; ${what}: Cannot find module '${own().name}'\n`);
});

test('its types are found by name, whatever way TypeScript resolves', (t) => {
  const folder = installed(t);
  const tools = join(ROOT, 'bindings/node/node_modules');
  checked(folder, ['cp', '-r', join(tools, '@types'), join(tools, 'undici-types'), 'node_modules/']);
  checked(folder, ['cp', join(ROOT, 'bindings/node/test/types/usage.mts'), '.']);
  for (const [module, resolution] of [['nodenext', 'nodenext'], ['node16', 'node16'], ['esnext', 'bundler']]) {
    checked(folder, [join(tools, '.bin/tsc'), '--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2022', '--module', module,
      '--moduleResolution', resolution, '--types', 'node', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', 'usage.mts']);
  }
});
