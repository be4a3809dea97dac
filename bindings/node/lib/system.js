// What the system calls its errors.
'use strict';

const { getSystemErrorMap } = require('node:util');

/** Node makes a new one for each call. @type {ReadonlyMap<number, readonly string[]> | undefined} */
let known;

/**
 * The name and the text of a number of the system's, if it has such a one.
 * @param {number} errno above 0
 * @returns {readonly string[] | undefined}
 */
function nameAndText(errno) {
  known ??= getSystemErrorMap();
  return known.get(-errno);
}

module.exports = { nameAndText };
