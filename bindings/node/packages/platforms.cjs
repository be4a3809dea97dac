// The platforms that have a package with the addon in it, named as napi-rs names them.
'use strict';

const { arch, platform, report } = process;

/** For each, what npm goes by, and what Rust calls it. lib/addon.js has each name as a literal. */
const PLATFORMS = [
  { name: 'reactor-engine-linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', target: 'x86_64-unknown-linux-gnu' },
  { name: 'reactor-engine-linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', target: 'aarch64-unknown-linux-gnu' },
];

/** The C library that this program runs on, as npm names it. */
const libc = () => (report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl');

/** The one of this machine, if there is such a package. */
const own = () => PLATFORMS.find((one) => one.os === platform && one.cpu === arch && one.libc === libc());

module.exports = { PLATFORMS, libc, own };
