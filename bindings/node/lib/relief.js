'use strict';

const { collectSoon, trim } = require('./addon.js');

/** Bytes of a burst that is worth the effort. */
const BURST = 4 << 20;
/** Milliseconds without a log after which a burst is over, and between the rounds that follow. */
const QUIET = 250;
/** Rounds of relief after a burst: the collector goes on step by step, and says nothing when it is done. */
const ROUNDS = 6;

/**
 * Gives memory back after a burst (D5). The buffers of the logs are garbage by then, which V8 would keep while nothing
 * new is allocated; and the allocator keeps what the copies of written bytes took. One timer, only after a burst, that does not keep the process alive.
 */
class Relief {
  #bytes = 0;
  #rounds = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {number} bytes that came in or were written */
  moved(bytes) {
    if (bytes === 0) return;
    this.#bytes += bytes;
    if (this.#bytes < BURST) return;
    this.#rounds = 0;
    this.#timer ??= setTimeout(() => this.#round(), QUIET).unref();
    this.#timer.refresh();
  }

  #round() {
    // What the round before has made free.
    trim();
    this.#rounds += 1;
    if (this.#rounds === ROUNDS) return this.end();
    collectSoon();
    this.#timer?.refresh();
  }

  /** Forgets the burst. */
  end() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#bytes = 0;
  }
}

module.exports = { Relief };
