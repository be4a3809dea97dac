'use strict';

const { inspect } = require('node:util');
const { asError, messageOf } = require('./check.js');

/**
 * Reports what was thrown as a warning of the process. It never throws, neither now nor when Node prints the warning,
 * which reads properties that the error's owner may have broken.
 * @param {unknown} thrown
 */
function warn(thrown) {
  const warning = new Error(messageOf(thrown));
  try {
    resemble(warning, asError(thrown));
  } catch {
    // The text must do.
  }
  try {
    process.emitWarning(warning);
  } catch {
    // Somebody has replaced it. There is no other place to tell.
  }
}

/**
 * Takes the name and the stack of an error that can be read.
 * @param {Error} warning
 * @param {Error} error
 */
function resemble(warning, error) {
  const { name, stack } = error;
  if (typeof name !== 'string' || typeof stack !== 'string' || typeof error.message !== 'string') return;
  // What a listener would do to show it.
  inspect(error);
  Object.assign(warning, { name, stack, cause: error });
}

module.exports = { warn };
