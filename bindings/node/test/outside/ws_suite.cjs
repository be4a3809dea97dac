// Runs the tests of `ws`, its client and its servers upon reactor-engine/net. They are fetched for the run into target/, or lie where
// `--tests` says, and are no part of this repository:
//
//     node bindings/node/test/outside/ws_suite.cjs [--tests FOLDER] [--mocha FOLDER] [--grep TEXT]
//
// Each test that fails with us has to stand in differences.json, with the reason; one that stands there and passes is an error, too.
'use strict';

const { execFileSync, spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

/** The tests of ws 8.21.0 and what was mended since. */
const SOURCE = 'https://github.com/websockets/ws';
const COMMIT = 'a2f4e7c046c2112bbce6fef39a083dac77d6f0d2';
const MOCHA = 'mocha@8.4.0';
const FOLDER = join(__dirname, '..', '..', '..', '..', 'target', 'outside');

const { values } = parseArgs({
  options: { tests: { type: 'string' }, mocha: { type: 'string' }, grep: { type: 'string' } },
});

function tests() {
  const folder = values.tests ?? join(FOLDER, 'ws');
  if (existsSync(join(folder, 'test'))) return folder;
  mkdirSync(folder, { recursive: true });
  const git = (...args) => execFileSync('git', ['-C', folder, ...args], { stdio: 'inherit' });
  git('init', '--quiet');
  git('fetch', '--quiet', '--depth', '1', SOURCE, COMMIT);
  git('checkout', '--quiet', 'FETCH_HEAD');
  return folder;
}

function mocha() {
  const folder = values.mocha ?? join(FOLDER, 'mocha');
  const program = join(folder, 'node_modules', 'mocha', 'bin', '_mocha');
  if (!existsSync(program)) {
    const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet, '--prefix', folder, MOCHA], { stdio: 'inherit' });
  }
  return program;
}

/** The full titles of the tests, and why those failed that did. */
function run() {
  const preloads = [join(__dirname, '..', 'libraries', 'substitute.cjs'), join(__dirname, 'http_fronted.cjs')];
  const args = [...preloads.flatMap((file) => ['--require', file]), '--throw-deprecation', mocha(), '--exit', '--reporter', 'json'];
  const chosen = values.grep ? ['--grep', values.grep] : [];
  const { stdout, stderr } = spawnSync(process.execPath, [...args, ...chosen, 'test/*.test.js'], { cwd: tests(), encoding: 'utf8', maxBuffer: 1 << 28 });
  if (!stdout.includes('{')) throw new Error(stderr || stdout);
  return JSON.parse(stdout.slice(stdout.indexOf('{')));
}

const differences = JSON.parse(readFileSync(join(__dirname, 'differences.json'), 'utf8')).ws;
const { passes, failures } = run();
let wrong = 0;
for (const { fullTitle, err } of failures) {
  const reason = differences[fullTitle];
  wrong += reason ? 0 : 1;
  console.log(`${fullTitle}: ${err.message}\n    ${reason ?? 'NOT EXPLAINED'}`);
}
for (const { fullTitle } of passes) {
  if (!differences[fullTitle]) continue;
  wrong += 1;
  console.log(`${fullTitle}: passes, and stands among the differences`);
}
console.log(`ws's tests: ${passes.length} of ${passes.length + failures.length} pass with reactor-engine/net, ${wrong} are not as expected`);
process.exitCode = wrong > 0 ? 1 : 0;
