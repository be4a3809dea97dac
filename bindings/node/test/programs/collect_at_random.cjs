// Required before a program, with --expose-gc: the garbage collector runs at random, in callbacks as well as between them.
'use strict';

const { Conn } = require('reactor-engine');

/** Of so many chances it takes one. */
const ODDS = 20;

function collectAtRandom() {
  if (Math.random() * ODDS < 1) globalThis.gc(Math.random() < 0.5 ? { type: 'minor' } : undefined);
}

// What the package calls on every event, and gives to users.
for (const name of ['write', 'writeAsync', 'hold', 'release', 'setTimer', 'wake']) {
  const original = Conn.prototype[name];
  Conn.prototype[name] = function (...args) {
    collectAtRandom();
    const result = original.apply(this, args);
    collectAtRandom();
    return result;
  };
}

(function between() {
  collectAtRandom();
  setImmediate(between).unref();
})();
