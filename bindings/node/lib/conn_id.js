'use strict';

const { shown, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');

/**
 * The id of a connection: opaque, and never used again in the process. It may be kept as long as you like; calls on the
 * id of a dead connection throw `CLOSED`. For another process or thread, or as the key of an object, use its decimal
 * string.
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
 * @param {unknown} id
 * @returns {ConnId}
 */
function connId(id) {
  if (id instanceof ConnId) return id;
  throw wrongType('id', 'a ConnId', id);
}

module.exports = { ConnId, connId };
