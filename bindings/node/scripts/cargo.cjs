// Compiles the addon, by cargo.
'use strict';

const { execFileSync, spawnSync } = require('node:child_process');

/** The oldest that compiles it. */
const RUST = [1, 88];
const WANTED = `install Rust ${RUST.join('.')} or newer, which has it`;

/** What is missing of what a build needs, in a line; nothing if all of it is there. */
function missing() {
  const { error, stdout = '' } = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (error) return `cargo was not found: ${WANTED}`;
  const [, major, minor] = stdout.match(/^cargo (\d+)\.(\d+)/) ?? [];
  if (major && (Number(major) - RUST[0] || Number(minor) - RUST[1]) < 0) {
    return `${stdout.split(' (')[0].trim()} is too old: ${WANTED}`;
  }
  return undefined;
}

/** Compiles in a folder of a workspace, and gives the library's path. `command` is cargo's own, or one like it. */
function compile(folder, { command = ['build'], env = process.env } = {}) {
  const args = [...command, '--release', '--package', 'reactor-node', '--message-format', 'json-render-diagnostics'];
  const options = { cwd: folder, encoding: 'utf8', env, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] };
  const messages = execFileSync('cargo', args, options).trim().split('\n').map((line) => JSON.parse(line));
  const addon = messages.find(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'reactor_node');
  return addon.filenames[0];
}

module.exports = { compile, missing };
