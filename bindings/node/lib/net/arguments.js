// The forms in which node:net takes its arguments, and what is wrong with them.
'use strict';

const node = require('node:net');

const { badPort, outOfRange, coded, wrongType, wrongValue } = require('./errors.js');

/** Arguments that were brought into one form already: they bear Node's own mark, where there is one. */
const [NORMALIZED = Symbol('normalizedArgs')] = Object.getOwnPropertySymbols(/** @type {any} */ (node)._normalizeArgs?.([]) ?? []);

/**
 * `(options, callback)` from `(path)`, `(port, host)`, `(options)`, each with a callback behind it.
 * @param {any[]} args
 * @returns {any}
 */
function normalized(args) {
  const [first] = args;
  if (Array.isArray(first) && NORMALIZED in first) return first;
  const last = args[args.length - 1];
  const result = /** @type {any} */ ([optionsOf(args), typeof last === 'function' ? last : null]);
  result[NORMALIZED] = true;
  return result;
}

/** @param {any[]} args */
function optionsOf(args) {
  if (args.length === 0) return {};
  const [first, second] = args;
  if (typeof first === 'object' && first !== null) return first;
  if (isPath(first)) return { path: first };
  return typeof second === 'string' ? { port: first, host: second } : { port: first };
}

/** @param {unknown} value */
const isPath = (value) => typeof value === 'string' && toNumber(value) === false;

/**
 * A number from 0 on, or false.
 * @param {any} value
 */
function toNumber(value) {
  const number = Number(value);
  return number >= 0 ? number : false;
}

/**
 * @param {any} port
 * @param {string} name
 * @param {boolean} allowsZero
 * @returns {number}
 */
function checkedPort(port, name, allowsZero = true) {
  const isNumber = typeof port === 'number' || (typeof port === 'string' && port.trim() !== '');
  const number = Number(port);
  if (isNumber && number === number >>> 0 && number <= 0xffff && (number > 0 || allowsZero)) return number | 0;
  throw badPort(name, port);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function expectFunction(value, name) {
  if (typeof value !== 'function') throw wrongType(name, 'of type function', value);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function expectNumber(value, name) {
  if (typeof value !== 'number') throw wrongType(name, 'of type number', value);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function expectBoolean(value, name) {
  if (typeof value !== 'boolean') throw wrongType(name, 'of type boolean', value);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function expectString(value, name) {
  if (typeof value !== 'string') throw wrongType(name, 'of type string', value);
}

/**
 * @param {any} value
 * @param {string} name
 * @param {number} least
 * @param {number} most
 */
function expectInteger(value, name, least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER) {
  expectNumber(value, name);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}

/** The longest time of Node's timers. */
const LONGEST = 2 ** 31 - 1;

/**
 * Milliseconds of a time-out.
 * @param {any} value
 * @param {string} name
 */
function checkedTimeout(value, name) {
  expectNumber(value, name);
  if (value < 0 || !Number.isFinite(value)) throw outOfRange(name, 'a non-negative finite number', value);
  if (value <= LONGEST) return value;
  process.emitWarning(`${value} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${LONGEST}.`, 'TimeoutOverflowWarning');
  return LONGEST;
}

/** @param {unknown} signal */
function expectSignal(signal) {
  if (signal === undefined) return;
  if (typeof signal !== 'object' || signal === null || !('aborted' in signal)) {
    throw wrongType('options.signal', 'an instance of AbortSignal', signal);
  }
}

/**
 * Calls a function when a signal is aborted, at once or in the next tick.
 * @param {AbortSignal} signal
 * @param {(reason: unknown) => void} call
 */
function onAbort(signal, call) {
  const aborted = () => call(signal.reason);
  if (signal.aborted) process.nextTick(aborted);
  else signal.addEventListener('abort', aborted, { once: true });
}

module.exports = {
  checkedPort,
  checkedTimeout,
  coded,
  expectBoolean,
  expectFunction,
  expectInteger,
  expectSignal,
  expectString,
  isPath,
  normalized,
  onAbort,
  toNumber,
  wrongType,
  wrongValue,
};
