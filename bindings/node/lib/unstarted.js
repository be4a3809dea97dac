'use strict';

const { tell } = require('./warning.js');

/**
 * The addresses at which servers listen that were never started.
 * @type {Map<Unstarted, string>}
 */
const FORGOTTEN = new Map();
/** More are not remembered: somebody makes servers by the thousand, and knows what for. */
const MOST = 16;

/** Tells of servers that were forgotten when the process has nothing left to do. It ends then, and nobody would know why. */
function tellOfForgotten() {
  for (const address of FORGOTTEN.values()) {
    tell(`a server listens at ${address} and was never started: call start or run`, 'REACTOR_NOT_STARTED');
  }
  FORGOTTEN.clear();
}

/** What is remembered of a server until it is started. It has no part in the server, which the collector may take. */
class Unstarted {
  /** @param {string} address that the server listens at */
  listens(address) {
    if (FORGOTTEN.size >= MOST || FORGOTTEN.has(this)) return;
    if (FORGOTTEN.size === 0) process.once('beforeExit', tellOfForgotten);
    FORGOTTEN.set(this, address);
  }

  /** It was started, or is not to be. */
  end() {
    FORGOTTEN.delete(this);
    if (FORGOTTEN.size === 0) process.off('beforeExit', tellOfForgotten);
  }
}

module.exports = { Unstarted };
