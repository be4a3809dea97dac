// Runs Node's own tests of `net` (test/parallel/test-net-*) with reactor-engine/net in its place. They are fetched for the run into
// target/, or lie where `--tests` says, and are no part of this repository. It is not part of the tests, as it needs the network:
//
//     node bindings/node/test/outside/node_suite.cjs [--tests FOLDER] [--node PROGRAM] [--mode threads] [NAME…]
//
// They are those of Node 24.12.0, which is fetched, too, unless PROGRAM is some Node 24. Each test that fails with us and not with Node's `net` has to stand in
// differences.json, with the reason; one that stands there and passes is an error, too.
'use strict';

const { spawn, execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

/** Node's tests by themselves, as Deno keeps them, of Node 24.12.0. */
const SOURCE = 'https://github.com/denoland/node_test';
const COMMIT = '170b25ab9080b9d58d21b582fbf28ee5676b8387';
const TARGET = join(__dirname, '..', '..', '..', '..', 'target', 'outside');
const FOLDER = join(TARGET, 'node_test');
/** The version that the tests are of, from the package that has Node's programs. */
const VERSION = '24.12.0';
/** Milliseconds that a test may take. */
const PATIENCE = 30_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tests: { type: 'string' }, node: { type: 'string' }, mode: { type: 'string' }, verbose: { type: 'boolean' }, jobs: { type: 'string' } },
});

/** The folder with the tests, which are fetched if nobody says where they lie. */
function tests() {
  if (values.tests) return values.tests;
  if (existsSync(join(FOLDER, 'test', 'parallel'))) return FOLDER;
  mkdirSync(FOLDER, { recursive: true });
  const git = (...args) => execFileSync('git', ['-C', FOLDER, ...args], { stdio: 'inherit' });
  git('init', '--quiet');
  git('fetch', '--quiet', '--depth', '1', SOURCE, COMMIT);
  git('checkout', '--quiet', 'FETCH_HEAD', '--', 'test/common', 'test/fixtures', 'test/parallel');
  return FOLDER;
}

/** The Node that runs them. */
function node() {
  if (values.node) return values.node;
  if (process.versions.node.startsWith('24.')) return process.execPath;
  const folder = join(TARGET, 'node');
  const program = join(folder, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('npm', ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, `node@${VERSION}`], { stdio: 'inherit' });
  }
  return program;
}

/** What a test wants Node to be told: the line that says so in its text. */
function flagsOf(file) {
  const [, flags = ''] = readFileSync(file, 'utf8').match(/^\/\/ Flags: (.*)$/m) ?? [];
  return flags.split(' ').filter(Boolean);
}

/** Runs a test: 'passed', 'skipped', or the last words of its failure. */
function run(program, file, isOurs) {
  const scratch = mkdtempSync(join(tmpdir(), 'reactor-node-suite-'));
  const preload = isOurs ? ['--require', join(__dirname, '..', 'libraries', 'substitute.cjs')] : [];
  const env = { ...process.env, NODE_TEST_DIR: scratch, TEST_PARALLEL: '1', ...(values.mode ? { REACTOR_TEST_MODE: values.mode } : {}) };
  const running = spawn(program, [...preload, ...flagsOf(file), file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (chunk) => (text = (text + chunk).slice(-20_000)));
  return new Promise((resolve) => {
    const timer = setTimeout(() => running.kill('SIGKILL'), PATIENCE);
    running.on('close', (code, signal) => {
      clearTimeout(timer);
      rmSync(scratch, { recursive: true, force: true });
      if (values.verbose) console.log(text);
      resolve(outcome(code, signal, text));
    });
  });
}

function outcome(code, signal, text) {
  if (code === 0) return text.includes('# Skipped') ? 'skipped' : 'passed';
  const lines = text.split('\n').filter((line) => /Error|Mismatched|actual|expected|!==/.test(line));
  return `failed (${signal ?? code}): ${(lines[0] ?? text.trim().split('\n').at(-1) ?? '').trim().slice(0, 160)}`;
}

async function main() {
  const folder = join(tests(), 'test', 'parallel');
  const differences = JSON.parse(readFileSync(join(__dirname, 'differences.json'), 'utf8')).node;
  const names = readdirSync(folder).filter((name) => /^test-net-.*\.(js|mjs|cjs)$/.test(name));
  const chosen = names.filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  const program = node();
  const count = { passed: 0, skipped: 0, explained: 0, alike: 0, wrong: 0 };
  const next = chosen[Symbol.iterator]();
  const work = async () => {
    for (const name of next) tell(name, await compare(program, join(folder, name), name, differences), count);
  };
  await Promise.all(Array.from({ length: Number(values.jobs ?? 2) }, work));
  console.log(`${count.passed} of ${chosen.length} pass; ${count.skipped} are skipped here; ${count.alike} fail with Node's own net here, too; ` +
    `${count.explained} differ with a reason; ${count.wrong} are not as expected`);
  process.exitCode = count.wrong > 0 ? 1 : 0;
}

/** A kind of end, and what is to be said of it. */
async function compare(program, file, name, differences) {
  const ours = await run(program, file, true);
  const reason = differences[name];
  if (ours === 'passed' || ours === 'skipped') return reason ? ['wrong', `${ours}, and stands among the differences`] : [ours];
  if (reason) return ['explained', reason];
  const theirs = await run(program, file, false);
  return theirs === 'passed' ? ['wrong', `${ours}: NOT EXPLAINED`] : ['alike', theirs];
}

function tell(name, [kind, words], count) {
  count[kind] += 1;
  if (words) console.log(`${name}: ${kind}: ${words}`);
}

main();
