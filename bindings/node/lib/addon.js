// Loads the addon, which scripts/build.cjs builds.
'use strict';

const { join } = require('node:path');

/** @returns {typeof import('../types/native.js')} */
function load() {
  try {
    return require(join(__dirname, 'reactor.node'));
  } catch (cause) {
    const message = `reactor-engine: the addon is missing or does not fit ${process.platform} ${process.arch}`;
    throw new Error(`${message}: build it with \`npm run build\` in the package's folder`, { cause });
  }
}

module.exports = load();
