'use strict';

const native = require('./addon.js');

/** @typedef {import('./slab.js').Slab} Slab */

/** How many numbers a record is. */
const WORDS = native.recordWords();
/** The kind's part of a record's first number; the rest are flags. */
const KIND = 0xffff;
/** The flag of input that a framing has cut. */
const CUT = 1 << 16;
/** The flag of input that was taken out of the log: the package's own, which the engine leaves alone. */
const TAKEN = 1 << 31;

/** @type {Map<string, number>} */
const KINDS = new Map(native.recordKinds().map(({ number, name }) => [name, number]));
/** @param {string} name */
const kind = (name) => KINDS.get(name);
const [DATA, COMMAND, CUT_OFF] = ['data', 'command', 'cut off'].map(kind);
/** Those that tell of input. */
const INPUT = [DATA, COMMAND, CUT_OFF];
/** Those whose numbers are a place in the log's bytes. */
const PLACES = [...INPUT, kind('about'), kind('datagram')];

/** A log that is being delivered, and where that has come to. */
class Walk {
  /**
   * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
   * @param {number} end where the last record ends
   * @param {Slab} slab the log's bytes
   */
  constructor(words, end, slab) {
    this.words = words;
    this.end = end;
    this.slab = slab;
    /** The record that comes next. */
    this.next = 0;
  }

  /**
   * What the input of a record takes in the stream, as it came.
   * @param {number} at
   * @returns {Buffer}
   */
  piece(at) {
    return this.slab.copy(...this.#pieceOf(at));
  }

  /**
   * Takes the input of a connection that is still to come out of the log, so that its handler is not given it.
   * @param {number} high
   * @param {number} low
   * @returns {Buffer[]} its pieces of the stream
   */
  takeInput(high, low) {
    const { words, end } = this;
    const pieces = [];
    for (let at = this.next; at < end; at += WORDS) {
      const isOther = words[at + 2] !== low || words[at + 1] !== high;
      if (isOther || words[at] & TAKEN || !INPUT.includes(words[at] & KIND)) continue;
      pieces.push(this.piece(at));
      words[at] |= TAKEN;
    }
    return pieces;
  }

  /**
   * Whether what is being told is told of this connection.
   * @param {number} high
   * @param {number} low
   */
  tells(high, low) {
    const at = this.next - WORDS;
    return this.words[at + 2] === low && this.words[at + 1] === high;
  }

  /**
   * Whether the input of a record was taken out of the log.
   * @param {number} at
   */
  isTaken(at) {
    return (this.words[at] & TAKEN) !== 0;
  }

  /**
   * A frame lies in the midst of its piece, and a command behind it. Bytes stand in the order of their records.
   * @param {number} at
   * @returns {[number, number]}
   */
  #pieceOf(at) {
    const [first, what] = [this.words[at + 3], this.words[at] & KIND];
    if (what === CUT_OFF || (what === DATA && !(this.words[at] & CUT))) return [first, this.#end(at)];
    return [this.#begin(at), what === COMMAND ? first : this.#end(at)];
  }

  /**
   * Where the bytes end that a record and what belongs to it have.
   * @param {number} at
   */
  #end(at) {
    const behind = this.words[at] & CUT ? (this.words[at] >>> 17) & 0x3fff : 0;
    return this.words[at + 4] + behind;
  }

  /**
   * Where they begin: behind those of the record before that has some.
   * @param {number} at
   */
  #begin(at) {
    let before = at - WORDS;
    while (before >= 0 && !PLACES.includes(this.words[before] & KIND)) before -= WORDS;
    return before < 0 ? 0 : this.#end(before);
  }
}

module.exports = { CUT, KIND, Walk, WORDS, kind };
