// Loads the addon: the one that was built here, or the one in the package for this platform.
'use strict';

/** The platforms that have a package, as in packages/platforms.cjs. */
const PACKAGES = new Map([
  ['linux x64', 'reactor-engine-linux-x64-gnu'],
  ['linux arm64', 'reactor-engine-linux-arm64-gnu'],
]);
const PLATFORM = `${process.platform} ${process.arch}`;

/**
 * Why there is none.
 * @type {unknown[]}
 */
const causes = [];

// Each name is a literal, so that bundlers find it. Each `try` has its own, so that one which is not there is no error to them.

/** @returns {typeof import('../types/native.js') | undefined} */
function built() {
  try {
    // @ts-ignore: there is no declaration of a file that is built.
    return require('./reactor.node');
  } catch (cause) {
    causes.push(cause);
    return undefined;
  }
}

/** @returns {typeof import('../types/native.js') | undefined} */
function prebuilt() {
  try {
    // @ts-ignore: nor of these.
    if (PLATFORM === 'linux x64') return require('reactor-engine-linux-x64-gnu');
    // @ts-ignore
    if (PLATFORM === 'linux arm64') return require('reactor-engine-linux-arm64-gnu');
  } catch (cause) {
    causes.push(cause);
  }
  return undefined;
}

/** @param {unknown} cause */
const isMissing = (cause) => /** @type {{ code?: string } | null} */ (cause)?.code === 'MODULE_NOT_FOUND';

/** What is wrong, and what to do about it, in a line. */
function failure() {
  // One that is there and cannot be loaded says more than one that is not there.
  const cause = causes.find((one) => !isMissing(one)) ?? causes.at(-1);
  const [message] = String(/** @type {{ message?: string } | null} */ (cause)?.message).split('\n');
  return new Error(`reactor-engine: ${isMissing(cause) ? missing() : unusable()}: ${message}`, { cause });
}

function missing() {
  const there = PACKAGES.get(PLATFORM);
  const install = there ? `install ${there}, or build it` : `none is prebuilt for ${PLATFORM}, build it`;
  return `the addon is missing; ${install} with \`npm rebuild reactor-engine\` (in a checkout: \`npm run build\`), which needs Rust`;
}

const unusable = () => `the addon cannot be loaded on ${PLATFORM} with Node ${process.version}`;

/** @returns {typeof import('../types/native.js')} */
function load() {
  const addon = built() ?? prebuilt();
  if (!addon) throw failure();
  return addon;
}

module.exports = load();
