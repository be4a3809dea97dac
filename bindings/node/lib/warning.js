'use strict';

const { inspect } = require('node:util');
const { asError, framesOf, messageOf } = require('./check.js');

/**
 * Reports what was thrown as a warning of the process. It never throws, neither now nor when Node prints the warning,
 * which reads properties that the error's owner may have broken.
 * @param {unknown} thrown
 * @param {string} [where] which callback threw it
 */
function warn(thrown, where) {
  const warning = new Error(messageOf(thrown));
  // Node prints the detail beneath the message; the stack only if it is asked to.
  const detail = [where, framesOf(thrown)].filter(Boolean).join('\n');
  if (detail !== '') Object.assign(warning, { detail });
  try {
    resemble(warning, asError(thrown));
  } catch {
    // The text must do.
  }
  emit(warning);
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

/**
 * Tells the operator something that no callback is to blame for.
 * @param {string} message
 * @param {string} code what kind of matter it is
 */
function tell(message, code) {
  const warning = new Error(message);
  Object.assign(warning, { name: 'ReactorWarning', code, stack: `ReactorWarning: ${message}` });
  emit(warning);
}

/** @param {Error} warning */
function emit(warning) {
  try {
    process.emitWarning(warning);
  } catch {
    // Somebody has replaced it. There is no other place to tell.
  }
}

module.exports = { tell, warn };
