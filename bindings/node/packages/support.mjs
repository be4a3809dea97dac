// What the tests of the packages share: folders, installations, other programs that run JavaScript.
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const HERE = fileURLToPath(new URL('.', import.meta.url));
export const ROOT = resolve(HERE, '../../..');
export const DIST = join(ROOT, 'target/packages/dist');
export const { own } = createRequire(import.meta.url)('./platforms.cjs');
export const { name, version } = JSON.parse(readFileSync(join(ROOT, 'bindings/node/package.json'), 'utf8'));
export const MODES = ['threads', 'inline'];

/** The tarball of the package, and that of this platform. */
export const TARBALL = join(DIST, `${name}-${version}.tgz`);
export const ADDON = join(DIST, `${own().name}-${version}.tgz`);

/** A folder with an empty package in it; it goes when the test is over. */
export function emptyFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-packages-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  return folder;
}

/** As much of what a command says as helps. */
const TOLD = 5_000;

/** Runs a command that knows nothing of this repository's build; more time than any takes is a guard against hanging. */
export function run(folder, [command, ...args], env = {}) {
  const inherited = Object.entries(process.env).filter(([key]) => !/^(CARGO_(TARGET|PROFILE|ENCODED)|NODE_|npm_)/.test(key));
  const options = { cwd: folder, encoding: 'utf8', env: { ...Object.fromEntries(inherited), NO_COLOR: '1', ...env }, timeout: 1_800_000 };
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, options);
  if (error) throw error;
  return { status: status ?? signal, stdout, stderr };
}

/** The same, of a command that must succeed. */
export function checked(folder, command, env) {
  const done = run(folder, command, env);
  assert.equal(done.status, 0, `${command.join(' ')}\n${done.stdout.slice(-TOLD)}${done.stderr.slice(-TOLD)}`);
  return done.stdout;
}

const NPM = ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error'];

/** Installs from tarballs, without the registry. */
export const install = (folder, tarballs, env, ...flags) => run(folder, [...NPM, '--offline', ...flags, ...tarballs], env);

/** An installation of both packages in an empty folder, as a user has it. */
export function installed(t) {
  const folder = emptyFolder(t);
  const done = install(folder, [TARBALL, ADDON]);
  assert.equal(done.status, 0, done.stderr);
  return folder;
}

/** A PATH with only these commands, under their own names or as the scripts that are given. */
export function pathOf(folder, names, scripts = {}) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const one of ['env', 'sh', 'node', 'npm', ...names]) {
    const found = process.env.PATH.split(delimiter).map((place) => join(place, one)).find(existsSync);
    symlinkSync(found, join(bin, one));
  }
  for (const [one, text] of Object.entries(scripts)) writeFileSync(join(bin, one), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return { PATH: bin };
}

/** Packages of the registry, in a folder that stays for the next run. */
export function fetched(...packages) {
  const folder = join(ROOT, 'target/packages/tools', packages.join('+').replaceAll('/', '-'));
  if (!existsSync(join(folder, 'whole'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    checked(folder, [...NPM, ...packages]);
    writeFileSync(join(folder, 'whole'), '');
  }
  return join(folder, 'node_modules');
}

/** Serves with what is installed there; `program` is the command that runs JavaScript. */
export function smoke(folder, program, mode, env) {
  cpSync(join(HERE, 'smoke.mjs'), join(folder, 'smoke.mjs'));
  return checked(folder, [...program, 'smoke.mjs', mode], env);
}

export const served = (mode) => `reactor-engine serves, ${mode}\n`;

/** The files of a tarball. */
export const filesOf = (tarball) => checked(ROOT, ['tar', 'tzf', tarball]).split('\n').filter(Boolean).map((path) => path.replace(/^package\//, ''));

/** What the pages of a folder link to, as paths in it: of each link the page that has it, and the file that it names. */
export function linksOf(folder, pages) {
  const found = [];
  for (const page of pages) {
    for (const [, link] of readFileSync(join(folder, page), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (!/^[a-z]+:/.test(link)) found.push({ page, file: relative(folder, resolve(folder, dirname(page), link)) });
    }
  }
  return found;
}
