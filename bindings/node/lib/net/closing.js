// What is to be called when handles have closed: after the immediates of this turn of Node's event loop, and before its next one.
'use strict';

const { MessageChannel } = require('node:worker_threads');

/**
 * What waits for it.
 * @type {(() => void)[]}
 */
let waiting = [];

/** Calls all that has waited; one that throws does so for itself. */
function callAll() {
  const due = waiting;
  waiting = [];
  for (const call of due) {
    try {
      call();
    } catch (error) {
      rethrow(error);
    }
  }
}

/**
 * What a listener has thrown, which no caller of ours is to catch.
 * @param {unknown} error
 */
function rethrow(error) {
  process.nextTick(() => {
    throw error;
  });
}

/**
 * Calls a function in the phase of Node's event loop in which closed handles tell of it. A port that is closed is such a handle.
 * @param {() => void} call
 */
function whenClosed(call) {
  waiting.push(call);
  if (waiting.length > 1) return;
  const { port1 } = new MessageChannel();
  port1.once('close', callAll);
  port1.close();
}

module.exports = { rethrow, whenClosed };
