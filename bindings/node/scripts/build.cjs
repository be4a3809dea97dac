// Builds the addon and puts it where lib/addon.js looks for it. It needs cargo and nothing of npm's: npm does not install
// the dependencies of a package that is installed from a folder elsewhere.
'use strict';

const { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const { compile, missing } = require('./cargo.cjs');

const root = join(__dirname, '..');
/** Where the sources lie in a package that was packed; in a checkout they lie around it. */
const packed = join(root, 'source');

function install(library) {
  const target = join(root, 'lib', 'reactor.node');
  const fresh = join(root, 'lib', `reactor.${process.pid}.node`);
  copyFileSync(library, fresh);
  // In one step: a process that has the old one loaded keeps it.
  renameSync(fresh, target);
}

/** Nothing of the build stays in the package of somebody else's. */
function buildPacked() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-build-'));
  try {
    const env = { ...process.env, CARGO_TARGET_DIR: folder, CARGO_PROFILE_RELEASE_STRIP: 'true' };
    install(compile(packed, { command: ['build', '--locked'], env }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Builds, or throws an error whose message says in a line why not. */
function build() {
  const lacking = missing();
  if (lacking) throw new Error(lacking);
  try {
    return existsSync(packed) ? buildPacked() : install(compile(root));
  } catch (error) {
    // Rust can be told to link by another one, so it is not asked for before.
    if (!hasLinker()) throw new Error('cc was not found, and Rust links by it: install a C compiler, gcc or clang');
    throw error;
  }
}

const hasLinker = () => process.env.PATH.split(':').some((folder) => existsSync(join(folder, 'cc')));

/** Builds, and says so if that fails; `why` is what nobody knows otherwise. */
function buildOrComplain(why = '') {
  try {
    build();
  } catch (error) {
    console.error(`reactor-engine: ${why}cannot build the addon: ${error.message.split('\n')[0]}`);
    process.exitCode = 1;
  }
}

module.exports = { buildOrComplain, packed };

if (require.main === module) buildOrComplain();
