'use strict';

const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks');

/**
 * Whether what a function enters (`AsyncLocalStorage.enterWith`) stays with the resource that it ran in: so it was until
 * contexts became frames, which are left behind with the function.
 */
const STAYS = (() => {
  const storage = new AsyncLocalStorage();
  const resource = new AsyncResource('ReactorProbe');
  resource.runInAsyncScope(() => storage.enterWith(true));
  const stays = resource.runInAsyncScope(() => storage.getStore()) === true;
  storage.disable();
  return stays;
})();

/**
 * An asynchronous context of its own: it begins as the one that it is made in, and what functions that run in it enter
 * is seen by those that run in it later, and by no other.
 */
class Scope {
  #resource = new AsyncResource('ReactorScope');

  /**
   * Runs a function in it.
   * @template {unknown[]} Arguments
   * @template Result
   * @param {unknown} self its `this`
   * @param {(...args: Arguments) => Result} call
   * @param {Arguments} args
   * @returns {Result}
   */
  run(self, call, ...args) {
    if (STAYS) return this.#resource.runInAsyncScope(call, self, ...args);
    return this.#resource.runInAsyncScope(() => {
      try {
        return call.apply(self, args);
      } finally {
        this.#resource = new AsyncResource('ReactorScope');
      }
    });
  }

  /** Another one, that begins as this one is. */
  fork() {
    return this.run(undefined, () => new Scope());
  }
}

/** What a handler has that looks after contexts itself, as those of this package may. */
const UNSCOPED = Symbol('unscoped');

/** What its connections have instead of a scope. */
const NO_SCOPE = /** @type {Scope} */ ({
  /** @type {Scope['run']} */
  run: (self, call, ...args) => call.apply(self, args),
  fork: () => NO_SCOPE,
});

module.exports = { NO_SCOPE, Scope, UNSCOPED };
