// Packs what is published: pack.cjs FOLDER [PLATFORM...]. It is laid out in FOLDER and packed there, since the repository's own
// package.json has what nobody needs who installs the package, and has not what it takes from the registry.
'use strict';

const { execFileSync } = require('node:child_process');
const { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { basename, join, resolve } = require('node:path');

const { compile } = require('../scripts/cargo.cjs');
const { PLATFORMS, own } = require('./platforms.cjs');

const ROOT = resolve(__dirname, '../../..');
const NODE = join(ROOT, 'bindings', 'node');
/** The oldest glibc that an addon runs with. */
const GLIBC = '2.17';
const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];
const told = JSON.parse(readFileSync(join(NODE, 'package.json'), 'utf8'));
const { name, version, description, license, engines, files, os } = told;

const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

/** Copies files and folders of a folder, without what was built. */
function copy(from, to, names) {
  const filter = (path) => !/\.node$/.test(basename(path));
  for (const one of names) cpSync(join(from, one), join(to, one), { recursive: true, filter });
}

/** A workspace of the crates that the addon is made of, and the lock file without the others. */
function layOutSource(folder) {
  const node = join(folder, 'bindings', 'node');
  mkdirSync(node, { recursive: true });
  copy(join(ROOT, 'core'), join(folder, 'core'), ['src', 'build.rs', 'Cargo.toml']);
  copy(NODE, node, ['src', 'build.rs', 'Cargo.toml']);
  copy(ROOT, folder, ['Cargo.lock']);
  const workspace = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8');
  writeFileSync(join(folder, 'Cargo.toml'), workspace.replace(/^members = .*$/m, 'members = ["core", "bindings/node"]'));
  execFileSync('cargo', ['update', '--workspace', '--quiet'], { cwd: folder, stdio: 'inherit' });
}

/** The package itself: the README, which npm takes by itself, and what `files` names, so that nothing is published that is not named. */
function layOut(folder) {
  mkdirSync(folder, { recursive: true });
  copy(NODE, folder, ['README.md', ...files]);
  copy(join(NODE, 'scripts'), join(folder, 'scripts'), ['build.cjs', 'cargo.cjs', 'install.cjs']);
  layOutSource(join(folder, 'source'));
  const { private: _, devDependencies, scripts, ...kept } = told;
  writeJson(join(folder, 'package.json'), {
    ...kept,
    files: [...files, 'scripts', 'source'],
    scripts: { install: scripts.install },
    optionalDependencies: Object.fromEntries(PLATFORMS.map((one) => [one.name, version])),
  });
}

/** The package with a platform's addon. */
function layOutAddon(folder, platform) {
  mkdirSync(folder, { recursive: true });
  const command = ['zigbuild', '--locked', '--target', `${platform.target}.${GLIBC}`];
  const env = { ...process.env, CARGO_PROFILE_RELEASE_STRIP: 'true' };
  cpSync(compile(ROOT, { command, env }), join(folder, 'reactor.node'));
  copy(NODE, folder, LICENCES);
  const where = `${platform.os} on ${platform.cpu} with ${platform.libc}`;
  writeFileSync(join(folder, 'README.md'), `# ${platform.name}\n\nThe addon of \`${name}\` for ${where}, which installs it by itself.\n`);
  writeJson(join(folder, 'package.json'), {
    name: platform.name,
    version,
    description: `${description}: the addon for ${where}`,
    license,
    main: './reactor.node',
    files: ['reactor.node', ...LICENCES],
    engines,
    os: [platform.os],
    cpu: [platform.cpu],
    libc: [platform.libc],
  });
}

/** The platforms that are named, or this one. */
function chosen(names) {
  const known = PLATFORMS.map((one) => one.name);
  const unknown = names.filter((one) => !known.includes(one));
  if (unknown.length > 0) throw new Error(`no such platform: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return names.length > 0 ? PLATFORMS.filter((one) => names.includes(one.name)) : [own()].filter(Boolean);
}

function main([out, ...names]) {
  const platforms = chosen(names);
  const dist = resolve(out);
  rmSync(dist, { recursive: true, force: true });
  layOut(join(dist, name));
  for (const platform of platforms) layOutAddon(join(dist, platform.name), platform);
  for (const one of [name, ...platforms.map((platform) => platform.name)]) {
    execFileSync('npm', ['pack', '--ignore-scripts', '--loglevel=error', join(dist, one)], { cwd: dist, stdio: 'inherit' });
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`pack: ${error.message}`);
  process.exitCode = 1;
}
