// Generates the declarations in types/: native.d.ts from the addon's source, the others from the comments in lib/. With
// --check it changes nothing, and fails if what is committed differs.
'use strict';

const { execFileSync } = require('node:child_process');
const { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const root = join(__dirname, '..');
const types = join(root, 'types');

/** Runs a tool of node_modules. */
const tool = (name, args) => execFileSync(join(root, 'node_modules', '.bin', name), args, { cwd: root, stdio: 'pipe' });

/** Generates all of them into a folder. Those of lib/ are made with native.d.ts as it is committed, or renewed now. */
function generate(folder, renew) {
  tool('napi', ['build', '--release', '--no-js', '--output-dir', folder, '--dts', 'native.d.ts']);
  if (renew) cpSync(join(folder, 'native.d.ts'), join(types, 'native.d.ts'));
  tool('tsc', ['--project', '.', '--outDir', folder]);
  if (renew) declarations(folder).forEach((name) => cpSync(join(folder, name), join(types, name)));
}

const declarations = (folder) => readdirSync(folder).filter((name) => name.endsWith('.d.ts'));

/** The names of the files that are committed differently, or not at all, or of which there is nothing any more. */
function outdated(folder) {
  const read = (place, name) => (existsSync(join(place, name)) ? readFileSync(join(place, name), 'utf8') : '');
  const names = new Set([...declarations(folder), ...declarations(types)]);
  return [...names].filter((name) => read(folder, name) !== read(types, name));
}

function main() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-types-'));
  const check = process.argv.includes('--check');
  try {
    generate(folder, !check);
    return outdated(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

try {
  const names = main();
  for (const name of names) console.error(`types/${name} is out of date: run \`npm run types\``);
  process.exitCode = names.length ? 1 : 0;
} catch (error) {
  console.error(`${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
  process.exitCode = 1;
}
