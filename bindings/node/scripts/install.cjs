// What npm runs when the package is installed: there is an addon for this platform in a package of its own, or one is built.
'use strict';

const { existsSync } = require('node:fs');

const { buildOrComplain, packed } = require('./build.cjs');

/** Why an addon must be built; nothing if there is one that works. */
function why() {
  // In a checkout what was built may be older than its sources.
  if (!existsSync(packed)) return '';
  try {
    require('../lib/addon.js');
    return undefined;
  } catch ({ message, cause }) {
    if (cause?.code !== 'MODULE_NOT_FOUND') return `${message.replace('reactor-engine: ', '')}; `;
    return `no prebuilt addon was installed for ${process.platform} ${process.arch}, and `;
  }
}

const reason = why();
if (reason !== undefined) buildOrComplain(reason);
