// The errors that node:net has, with its codes and texts: those of the system, and those of wrong use.
'use strict';

const { inspect } = require('node:util');

const { nameAndText } = require('../system.js');

/**
 * An error of Node's kind: a base with a code, which stands in the first line of the stack.
 * @param {ErrorConstructor} Base
 * @param {string} code
 * @param {string} message
 */
function coded(Base, code, message) {
  const error = /** @type {Error & { code: string }} */ (new Base(message));
  Object.defineProperty(error, 'name', { value: `${error.name} [${code}]`, configurable: true, writable: true });
  // The stack is made with the name that it has now.
  void error.stack;
  Error.captureStackTrace(error, coded);
  void error.stack;
  delete (/** @type {any} */ (error).name);
  error.code = code;
  Object.defineProperty(error, 'toString', {
    value() {
      return `${this.name} [${code}]: ${this.message}`;
    },
    configurable: true,
    writable: true,
  });
  return error;
}

/**
 * What a wrong argument is, as Node says it.
 * @param {unknown} value
 */
function received(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? ` Received an instance of ${name}` : ` Received ${inspect(value, { depth: -1 })}`;
  }
  const shown = inspect(value, { colors: false });
  return ` Received type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`;
}

/** @param {string} name */
const shownName = (name) => (name.endsWith(' argument') ? `The ${name}` : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`);

/**
 * @param {string} name of the argument
 * @param {string} expected
 * @param {unknown} value
 */
const wrongType = (name, expected, value) =>
  coded(/** @type {any} */ (TypeError), 'ERR_INVALID_ARG_TYPE', `${shownName(name)} must be ${expected}.${received(value)}`);

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string} [reason]
 */
function wrongValue(name, value, reason = 'is invalid') {
  const shown = inspect(value);
  const short = shown.length > 128 ? `${shown.slice(0, 128)}...` : shown;
  const kind = name.includes('.') ? 'property' : 'argument';
  return coded(/** @type {any} */ (TypeError), 'ERR_INVALID_ARG_VALUE', `The ${kind} '${name}' ${reason}. Received ${short}`);
}

/**
 * @param {string} name
 * @param {string} range
 * @param {unknown} value
 */
const outOfRange = (name, range, value) =>
  coded(/** @type {any} */ (RangeError), 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`);

/** @param {string} name @param {unknown} value */
const badPort = (name, value) =>
  coded(/** @type {any} */ (RangeError), 'ERR_SOCKET_BAD_PORT', `${name} should be >= 0 and < 65536.${received(value)}.`);

/**
 * The name and the text of a number of the system's.
 * @param {number} errno above 0
 */
function named(errno) {
  const [code = `Unknown system error -${errno}`, text = code] = nameAndText(errno) ?? [];
  return { code, text };
}

/**
 * An error of the system, as Node's calls have it.
 * @param {number} errno above 0
 * @param {string} syscall
 * @param {{ address?: string | undefined, port?: number | undefined, explains?: boolean, more?: string }} [where]
 */
function systemError(errno, syscall, { address, port, explains = false, more = '' } = {}) {
  const { code, text } = named(errno);
  const place = address === undefined || address === '' ? '' : ` ${address}${port === undefined || port < 0 ? '' : `:${port}`}`;
  const message = explains ? `${syscall} ${code}: ${text}${place}` : `${syscall} ${code}${place}${more}`;
  const error = /** @type {any} */ (new Error(message));
  Object.assign(error, { errno: -errno, code, syscall });
  if (address !== undefined) error.address = address;
  if (port !== undefined && port >= 0) error.port = port;
  return error;
}

module.exports = { badPort, coded, outOfRange, systemError, wrongType, wrongValue };
