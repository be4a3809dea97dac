// Checks the guide's programs, and those of the README, by tsc --strict.
'use strict';

const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const root = join(__dirname, '..');
const guide = join(root, 'guide');

/** The pages. */
const pages = () => [join(root, 'README.md'), ...readdirSync(guide).map((name) => join(guide, name))];

/** The programs of a page, each with the page's name and the line that it begins at. */
function programs(file) {
  const found = [];
  const [first, ...rest] = readFileSync(file, 'utf8').split('```js\n');
  let line = first.split('\n').length + 1;
  for (const part of rest) {
    found.push({ name: `${file.slice(root.length + 1).replaceAll('/', '.')}.${line}.mjs`, code: part.split('```')[0] });
    line += part.split('\n').length;
  }
  return found;
}

function config() {
  const compilerOptions = {
    strict: true,
    target: 'es2022',
    module: 'nodenext',
    allowJs: true,
    checkJs: true,
    noEmit: true,
    noUnusedLocals: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: { 'reactor-engine': [join(root, 'types', 'index.d.ts')], 'reactor-engine/net': [join(root, 'types', 'net', 'index.d.ts')] },
  };
  return JSON.stringify({ compilerOptions, include: ['*.mjs'] });
}

const folder = mkdtempSync(join(tmpdir(), 'reactor-guide-'));
try {
  const all = pages().flatMap(programs);
  if (all.length === 0) throw new Error(`no program in ${guide}`);
  for (const { name, code } of all) writeFileSync(join(folder, name), code);
  // The libraries that they use, with their types.
  symlinkSync(join(root, 'test', 'libraries', 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'tsconfig.json'), config());
  execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['--project', folder], { cwd: folder, stdio: 'pipe' });
} catch (error) {
  console.error(`${error.stdout ?? ''}${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
