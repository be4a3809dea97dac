'use strict';

// The global is a getter, which costs as much as making a buffer does.
const { Buffer } = require('node:buffer');
// Bun has no such thing.
const { markAsUntransferable = () => {} } = require('node:worker_threads');

/**
 * The class of every buffer, which makes one over other memory without looking at what it is given, as `Buffer.from` does. Where it is
 * another than the buffers' own, that is what there is.
 * @type {(memory: ArrayBufferLike, offset: number, length: number) => Buffer}
 */
const pieceOf = (() => {
  const Piece = /** @type {any} */ (Buffer)[Symbol.species];
  const isOurs = typeof Piece === 'function' && Object.getPrototypeOf(new Piece(new ArrayBuffer(1), 0, 1)) === Buffer.prototype;
  return isOurs ? (memory, offset, length) => new Piece(memory, offset, length) : Buffer.from;
})();

/** Bytes from which on an event has memory of its own. What is smaller shares some, as it does in Buffer's own pool. */
const OWN = 4 << 10;
/** Bytes that share memory, at most: so much is kept alive by one of them that is kept. */
const SLAB = 64 << 10;

/**
 * The bytes of a log, given to the user piece by piece: copied, many at once, into memory that nobody writes to any more but the
 * user. Who takes one's memory away (`ArrayBuffer.prototype.transfer`) takes it from those before, too, but from none that comes.
 */
class Slab {
  #bytes;
  #length;
  /** Memory of the user's that has the log's bytes of this range; empty if it was taken away. */
  #copied = Buffer.alloc(0);
  #memory = this.#copied.buffer;
  #from = 0;
  #to = 0;

  /**
   * @param {Buffer} bytes those of the log, which stay the package's
   * @param {number} length how many of them
   */
  constructor(bytes, length) {
    this.#bytes = bytes;
    this.#length = length;
  }

  /**
   * The bytes of one event.
   * @param {number} first
   * @param {number} second
   * @returns {Buffer}
   */
  take(first, second) {
    const length = second - first;
    if (length >= OWN || length === this.#length) return this.#alone(first, length);
    if (!this.#has(first, second)) this.#renew(first, Math.min(SLAB, this.#length - first));
    return pieceOf(this.#memory, first - this.#from, length);
  }

  /**
   * The arguments of a command, each of which has its length in front, as 32 bits in little-endian order. They share their memory.
   * @param {number} first
   * @param {number} second
   * @returns {Buffer[]}
   */
  takeArguments(first, second) {
    if (second - first >= OWN) this.#renew(first, second - first);
    else if (!this.#has(first, second)) this.#renew(first, Math.min(SLAB, this.#length - first));
    const found = [];
    for (let at = first; at < second; ) {
      const from = at + 4;
      at = from + this.#bytes.readUInt32LE(at);
      found.push(pieceOf(this.#memory, from - this.#from, at - from));
    }
    return found;
  }

  /**
   * Some of the bytes for the package's own use, which no user can take away.
   * @param {number} first
   * @param {number} second
   * @returns {Buffer}
   */
  copy(first, second) {
    return Buffer.from(this.#bytes.subarray(first, second));
  }

  /**
   * @param {number} first
   * @param {number} second
   * @returns {string}
   */
  text(first, second) {
    return this.#bytes.toString('utf8', first, second);
  }

  /**
   * @param {number} first
   * @param {number} length
   */
  #alone(first, length) {
    // Slow, because it never takes of Buffer's shared pool; of the ways to memory of its own it is the fastest.
    const own = Buffer.allocUnsafeSlow(length);
    this.#bytes.copy(own, 0, first, first + length);
    return own;
  }

  /**
   * Whether these bytes are in the memory that is shared.
   * @param {number} first
   * @param {number} second
   */
  #has(first, second) {
    return first >= this.#from && second <= this.#to && this.#copied.length > 0;
  }

  /**
   * @param {number} first
   * @param {number} length
   */
  #renew(first, length) {
    this.#copied = this.#alone(first, length);
    this.#memory = this.#copied.buffer;
    this.#from = first;
    this.#to = first + this.#copied.length;
    // Others would lose their bytes with a transfer of one piece's memory.
    markAsUntransferable(this.#memory);
  }
}

module.exports = { Slab };
