'use strict';

const { tell } = require('./warning.js');

/** Milliseconds in which no more is told of a kind. */
const PAUSE = 1000;

/** Tells what the engine reports as warnings of the process: at most one a second of a kind. */
class Told {
  /**
   * When a kind was told last.
   * @type {Map<string, number>}
   */
  #last = new Map();

  /**
   * @param {string} text
   * @param {number} [now] in milliseconds
   */
  tell(text, now = performance.now()) {
    // Numbers say which connection or port it is about.
    const kind = text.replaceAll(/\d+/g, '');
    for (const [old, at] of this.#last) if (now - at >= PAUSE) this.#last.delete(old);
    if (this.#last.has(kind)) return;
    this.#last.set(kind, now);
    tell(text, 'REACTOR_ENGINE');
  }
}

module.exports = { Told };
