// Runs every test file; finding none is an error.
'use strict';

const { spawnSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const folder = join(__dirname, '..', 'test');
const files = readdirSync(folder).filter((name) => /\.test\.[mc]js$/.test(name)).map((name) => join(folder, name));
if (files.length === 0) throw new Error(`no test in ${folder}`);
const args = ['--test', '--test-timeout=60000', ...process.argv.slice(2), ...files];
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
