// Runs every test file in each mode; finding none is an error. Modes that are named run alone, the rest goes to Node.
'use strict';

const { spawnSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const folder = join(__dirname, '..', 'test');
const MODES = ['threads', 'inline'];

const named = process.argv.slice(2).filter((argument) => MODES.includes(argument));
const others = process.argv.slice(2).filter((argument) => !MODES.includes(argument));
const files = readdirSync(folder).filter((name) => /\.test\.[mc]js$/.test(name)).map((name) => join(folder, name));
if (files.length === 0) throw new Error(`no test in ${folder}`);

/** The environment of a mode: the programs that tests start have it, too. */
function environment(mode) {
  const { NODE_OPTIONS = '' } = process.env;
  const preload = mode === 'inline' ? ` --require=${JSON.stringify(join(folder, 'inline.cjs'))}` : '';
  return { ...process.env, NODE_OPTIONS: NODE_OPTIONS + preload, REACTOR_TEST_MODE: mode };
}

for (const mode of named.length > 0 ? named : MODES) {
  console.log(`# mode ${mode}`);
  const args = ['--test', '--test-timeout=60000', ...others, ...files];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: environment(mode) });
  if (status !== 0) process.exitCode = status ?? 1;
}
