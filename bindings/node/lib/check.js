// What JavaScript may be given instead of what was asked for.
'use strict';

const { inspect, types } = require('node:util');
const { ReactorError } = require('./error.js');

/**
 * A value in an error message, short and without running code of its owner.
 * @param {unknown} value
 */
const shown = (value) => inspect(value, { customInspect: false, depth: 0, maxStringLength: 60, breakLength: Infinity });

/**
 * @param {string} what
 * @param {string} expected
 * @param {unknown} given
 */
const wrongType = (what, expected, given) => new TypeError(`${what} must be ${expected}, not ${shown(given)}`);

/**
 * The bytes of what is to be written: strings become UTF-8.
 * @param {NodeJS.ArrayBufferView | string} data
 * @returns {Uint8Array}
 */
function bytesOf(data) {
  if (types.isUint8Array(data)) return data;
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw wrongType('data', 'a string, a Buffer or another view of memory', data);
}

/**
 * A list of the package's own, whatever the list's class makes of itself: the addon reads it with no code of anybody's in between.
 * @param {readonly (NodeJS.ArrayBufferView | string)[]} parts
 * @returns {Uint8Array[]}
 */
function partsOf(parts) {
  if (!Array.isArray(parts)) throw wrongType('parts', 'a list of what can be written', parts);
  /** @type {any[]} */
  const list = [...parts];
  // In place: the members are there, so no setter of a prototype's is asked.
  list.forEach((part, at) => (list[at] = bytesOf(part)));
  return list;
}

/**
 * An argument that cannot be left out.
 * @template Given
 * @param {Given | undefined} value
 * @param {string} what
 * @param {string} expected
 * @returns {Given}
 */
function required(value, what, expected) {
  if (value !== undefined) return value;
  throw wrongType(what, expected, value);
}

/**
 * @template Callback
 * @param {Callback} callback
 * @returns {Callback}
 */
function callbackOf(callback) {
  if (typeof callback === 'function') return callback;
  throw wrongType('callback', 'a function', callback);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {number} most
 * @returns {number}
 */
function wholeNumber(value, what, most) {
  if (value === undefined) return 0;
  if (typeof value !== 'number') throw wrongType(what, 'a number', value);
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new ReactorError('INVALID_ARGUMENT', `${what} must be a whole number from 0 to ${most}, not ${value}`);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {readonly string[]} known
 * @param {readonly string[]} [others] that are given elsewhere
 * @param {string} [where] that is
 * @returns {Record<string, unknown>}
 */
function optionsOf(value, what, known, others = [], where = '') {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(what, 'an object', value);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return /** @type {Record<string, unknown>} */ (value);
  const hint = others.includes(unknown) ? `, which is given to ${where}` : '';
  throw new ReactorError('INVALID_ARGUMENT', `unknown option ${shown(unknown)}${hint} (known: ${known.join(', ')})`);
}

/**
 * What was thrown, as an error. It never throws, though what was thrown may be a proxy whose traps do. An error of another
 * realm, as test runners make them, is one.
 * @param {unknown} thrown
 * @returns {Error}
 */
function asError(thrown) {
  try {
    if (types.isNativeError(thrown) || thrown instanceof Error) return thrown;
    return nowhere(new Error(`a callback threw ${shown(thrown)}, which is not an Error`, { cause: thrown }));
  } catch {
    return nowhere(new Error('a callback threw a value that cannot be shown'));
  }
}

/**
 * Takes the frames off an error about a value: they would tell where we found it, and not where it comes from.
 * @template {Error} Made
 * @param {Made} error
 * @returns {Made}
 */
function nowhere(error) {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

/**
 * Where it was thrown: the lines of its stack with file and line; empty if they cannot be read. It never throws.
 * @param {unknown} thrown
 * @returns {string}
 */
function framesOf(thrown) {
  try {
    const stack = String(asError(thrown).stack);
    const at = stack.search(/^ +at /m);
    return at < 0 ? '' : stack.slice(at);
  } catch {
    return '';
  }
}

/**
 * The message of what was thrown. It never throws, and is always a string.
 * @param {unknown} thrown
 * @returns {string}
 */
function messageOf(thrown) {
  try {
    return String(asError(thrown).message);
  } catch {
    return 'a callback threw an error whose message cannot be read';
  }
}

module.exports = {
  asError,
  bytesOf,
  callbackOf,
  framesOf,
  messageOf,
  nowhere,
  optionsOf,
  partsOf,
  required,
  shown,
  wholeNumber,
  wrongType,
};
