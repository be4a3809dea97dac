// Builds the addon and puts it where lib/addon.js looks for it. It needs cargo and nothing of npm's: npm does not install
// the dependencies of a package that is installed from a folder elsewhere.
'use strict';

const { execFileSync } = require('node:child_process');
const { copyFileSync, renameSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

function build() {
  const args = ['build', '--release', '--package', 'reactor-node', '--message-format', 'json-render-diagnostics'];
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] };
  const messages = execFileSync('cargo', args, options).trim().split('\n').map((line) => JSON.parse(line));
  const addon = messages.find(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'reactor_node');
  return addon.filenames[0];
}

function install(library) {
  const target = join(root, 'lib', 'reactor.node');
  const fresh = join(root, 'lib', `reactor.${process.pid}.node`);
  copyFileSync(library, fresh);
  // In one step: a process that has the old one loaded keeps it.
  renameSync(fresh, target);
}

try {
  install(build());
} catch (error) {
  const reason = error.code === 'ENOENT' ? 'cargo was not found: install Rust 1.88 or newer' : error.message;
  console.error(`reactor-engine: cannot build the addon: ${reason}`);
  process.exitCode = 1;
}
