'use strict';

const { shown, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');

/**
 * The id of a connection: opaque, and never used again in the process. It may be kept as long as you like; calls on the
 * id of a dead connection throw `CLOSED`. It is the same object for as long as the connection lives, so it may be a key of a `Map`. What
 * `structuredClone` and `postMessage` make of it is taken by every call as well, in whatever thread; but it is another object: there,
 * and as a key of an object, use its decimal string.
 */
class ConnId {
  /**
   * @hideconstructor
   * @param {number} high
   * @param {number} low
   */
  constructor(high, low) {
    /** The high 32 bits. @readonly */
    this.high = high;
    /** The low 32 bits. @readonly */
    this.low = low;
    Object.freeze(this);
  }

  /** The id as a decimal number. */
  toString() {
    return ((BigInt(this.high) << 32n) | BigInt(this.low)).toString();
  }

  /**
   * The id from its decimal string. It equals the connection's own id for every call, but is another object.
   * @param {string} text what `toString` has made
   * @returns {ConnId} another object
   * @throws {ReactorError} `INVALID_ARGUMENT` if the text is not a number of 64 bits
   */
  static parse(text) {
    if (typeof text !== 'string') throw wrongType('a connection id', 'a string', text);
    const number = /^\d{1,20}$/.test(text) ? BigInt(text) : 1n << 64n;
    if (number >> 64n) throw new ReactorError('INVALID_ARGUMENT', `not a connection id: ${shown(text)}`);
    return new ConnId(Number(number >> 32n), Number(number & 0xffff_ffffn));
  }
}

/**
 * @param {unknown} id an id, or what was cloned of one
 * @returns {ConnId}
 */
function connId(id) {
  if (id instanceof ConnId) return id;
  const { high, low } = /** @type {{ high?: unknown, low?: unknown }} */ (id ?? {});
  if (isHalf(high) && isHalf(low)) return new ConnId(high, low);
  throw wrongType('id', 'a ConnId', id);
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
const isHalf = (value) => Number.isInteger(value) && value === /** @type {number} */ (value) >>> 0;

module.exports = { ConnId, connId };
