'use strict';

/**
 * What console.log shows of an object whose state is the engine's. It is an object, so that Node sees to its depth and to circles.
 * @param {string} name of its class
 * @param {Record<string, unknown>} fields
 * @returns {object}
 */
function inspected(name, fields) {
  const { [name]: Shown } = { [name]: class {} };
  return Object.assign(new /** @type {new () => object} */ (Shown)(), fields);
}

module.exports = { inspected };
