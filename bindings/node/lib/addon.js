// Loads the addon, which scripts/build.cjs builds.
'use strict';

/** @returns {typeof import('../types/native.js')} */
function load() {
  try {
    // @ts-ignore: there is no declaration of a file that is built. A literal, so that bundlers find it.
    return require('./reactor.node');
  } catch (cause) {
    throw new Error(`reactor-engine: ${whyNot(cause)}`, { cause });
  }
}

/**
 * What is wrong, and what to do about it.
 * @param {unknown} cause
 */
function whyNot(cause) {
  const { code, message } = /** @type {{ code?: string, message?: string }} */ (cause ?? {});
  if (code === 'MODULE_NOT_FOUND') {
    return `the addon is missing: build it with \`npm run build\` in the package's folder (${message})`;
  }
  return `the addon cannot be loaded on ${process.platform} ${process.arch} with Node ${process.version}: ${message}`;
}

module.exports = load();
