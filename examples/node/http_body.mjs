// The bodies of requests. Nobody wants them here: they are skipped, and so read to their ends.

/** Extensions of chunks and trailers may have so many bytes. */
const MAX_EXTRA = 16 << 10;
const SIZE = /^([0-9A-Fa-f]+)(;[\t\x20-\x7e\x80-\xff]*)?$/;
const END_OF_DATA = /^$/;
const TRAILER = /^[\t\x20-\x7e\x80-\xff]*$/;
/** A length of 64 bits. */
const LENGTH = /^0*[0-9A-Fa-f]{1,16}$/;

/** What came is no body in chunks. */
export class Malformed extends Error {}

/** What has not come yet of a request's body. */
export class Body {
  /** Bytes of the body, or of the chunk. */
  #left;
  /**
   * What the next line of a body in chunks has to be, behind the bytes of the chunk.
   * @type {RegExp | null}
   */
  #line;
  #extra = 0;

  /** @param {{ length?: number, inChunks?: boolean }} [how] */
  constructor({ length = 0, inChunks = false } = {}) {
    this.#left = length;
    this.#line = inChunks ? SIZE : null;
  }

  get isOver() {
    return this.#left === 0 && this.#line === null;
  }

  /**
   * @param {Buffer} data
   * @param {number} at
   * @returns {number} where the body ends in the input, or how far it was read; the same place if a line is not whole yet
   */
  skip(data, at) {
    if (this.#left > 0 || this.#line === null) {
      const taken = Math.min(this.#left, data.length - at);
      this.#left -= taken;
      return at + taken;
    }
    const end = data.indexOf('\r\n', at, 'latin1');
    const isWhole = end >= 0;
    const line = isWhole ? data.toString('latin1', at, end) : data.toString('latin1', at).replace(/\r$/, '');
    const found = this.#line.exec(line);
    const isBegun = !isWhole && line === '';
    if (!(found || isBegun) || this.#extra + line.length > MAX_EXTRA) throw new Malformed();
    if (!isWhole) return at;
    this.#take(line);
    return end + 2;
  }

  /** @param {string} line */
  #take(line) {
    if (this.#line === END_OF_DATA) {
      this.#line = SIZE;
    } else if (this.#line === TRAILER) {
      this.#extra += line.length;
      this.#line = line ? TRAILER : null;
    } else {
      const [, size = '', extension = ''] = SIZE.exec(line) ?? [];
      if (!LENGTH.test(size)) throw new Malformed();
      this.#extra += extension.length;
      this.#left = parseInt(size, 16);
      this.#line = this.#left > 0 ? END_OF_DATA : TRAILER;
    }
  }
}
