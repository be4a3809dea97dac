'use strict';

const { asError, framesOf, messageOf, nowhere, shown } = require('./check.js');
const { actionName } = require('./constants.js');
const { saysClosed } = require('./error.js');
const { NO_SCOPE, Scope, UNSCOPED } = require('./scope.js');
const { nextTick } = require('./timer.js');
const { tell, warn } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./handler.js').LogLevel} LogLevel */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./table.js').Entry} Entry */

/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
class Callbacks {
  #handler;
  #isSilent;
  #engine;
  /** @type {Server | undefined} */
  #server;
  /** The context that those of connections begin as. */
  #scope = new Scope();
  /**
   * Callbacks and types of what they returned, where that was no action: each is reported once.
   * @type {Set<string>}
   */
  #strays = new Set();

  /**
   * @param {Handler} handler
   * @param {boolean} isSilent the log is off
   * @param {() => import('./conn.js').NativeServer} engine
   */
  constructor(handler, isSilent, engine) {
    this.#handler = handler;
    this.#isSilent = isSilent;
    this.#engine = engine;
  }

  /**
   * The server starts here: the contexts of its connections begin as this one.
   * @param {Server} server
   */
  starts(server) {
    this.#server = server;
    this.#scope = UNSCOPED in this.#handler ? NO_SCOPE : new Scope();
  }

  get server() {
    return /** @type {Server} */ (this.#server);
  }

  /** A context of its own. */
  fork() {
    return this.#scope.fork();
  }

  /**
   * Calls one callback of a connection, in its context.
   * @param {Entry} entry
   * @param {'onOpen' | 'onDrain' | 'onWake' | 'onTimer' | 'onClose'} name
   * @param {unknown[]} args
   */
  tellOf(entry, name, ...args) {
    entry.session.scope.run(this, this.invoke, entry, name, args);
  }

  /**
   * Calls one callback, if there is one.
   * @param {Entry | null} entry
   * @param {'onOpen' | 'onData' | 'onDatagram' | 'onCommand' | 'onEof' | 'onDrain' | 'onWake' | 'onTimer' | 'onClose' | 'onStopping' | 'onStop'} name
   * @param {unknown[]} args
   */
  invoke(entry, name, args) {
    try {
      const callback = /** @type {undefined | ((...args: unknown[]) => unknown)} */ (this.#handler[name]);
      this.answered(entry, name, callback?.apply(this.#handler, args));
    } catch (error) {
      this.failed(entry, name, error);
    }
  }

  /** @param {'onStopping' | 'onStop'} name */
  ofServer(name) {
    this.#scope.fork().run(this, this.invoke, null, name, [this.#server]);
  }

  /**
   * Calls onTick.
   * @returns {Promise<{ answer?: number | null }>} milliseconds to the next; nothing if it has failed
   */
  async tick() {
    try {
      return { answer: nextTick(await this.#scope.fork().run(this.#handler, () => this.#handler.onTick?.(this.server))) };
    } catch (error) {
      this.failed(null, 'onTick', error);
      return {};
    }
  }

  /**
   * Calls a function of the user's that concerns no connection.
   * @template Given
   * @param {string} name
   * @param {(given: Given) => unknown} callback
   * @param {Given} given
   */
  call(name, callback, given) {
    try {
      const answer = callback(given);
      if (isThenable(answer)) Promise.resolve(answer).catch((error) => this.failed(null, name, error)).catch(warn);
    } catch (error) {
      this.failed(null, name, error);
    }
  }

  /**
   * The engine says something.
   * @param {string} level
   * @param {string} message
   */
  told(level, message) {
    if (this.#handler.onLog) this.#log(/** @type {LogLevel} */ (level), message);
    else tell(message, 'REACTOR_ENGINE');
  }

  /**
   * @param {LogLevel} level
   * @param {string} message
   */
  #log(level, message) {
    if (this.#isSilent) return;
    this.call('onLog', () => this.#handler.onLog?.(level, message), undefined);
  }

  /**
   * Takes what onStart returned; says whether it refuses the start.
   * @param {unknown} answer
   * @returns {boolean}
   */
  refusesStart(answer) {
    if (actionName(answer) === 'Stop') return true;
    this.answered(null, 'onStart', answer);
    return false;
  }

  /**
   * Does what a callback asks for, now or when its promise has ended, which holds its connection.
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  answered(entry, name, answer) {
    if (!isThenable(answer)) return this.obey(entry, name, answer);
    const session = entry?.session;
    const held = session?.runs() ?? false;
    Promise.resolve(answer)
      .then((settled) => this.obey(entry, name, settled))
      .catch((error) => this.failed(entry, name, error))
      .then(() => session?.ran(held))
      .catch(warn);
  }

  /**
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  obey(entry, name, answer) {
    if (answer === undefined || answer === null) return;
    const action = actionName(answer);
    if (action === 'Stop') this.#engine().stop();
    else if (action === 'Close') entry?.session.closeIfOpen();
    else if (action === 'Detach') entry?.session.detachIfOpen();
    else if (action !== 'None') this.#strayed(entry, name, answer);
  }

  /**
   * A callback returned what is no action.
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  #strayed(entry, name, answer) {
    const kind = `${name} ${typeof answer}`;
    if (this.#strays.has(kind)) return;
    this.#strays.add(kind);
    const error = new TypeError(`${name} must return an Action or nothing, not ${shown(answer)}`);
    this.#report(nowhere(error), entry, name);
  }

  /**
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} thrown
   */
  failed(entry, name, thrown) {
    if (entry) {
      const { session } = entry;
      const leftUnseen = (!session.isClosing || session.endsUnseen) && !session.isOpen;
      if (leftUnseen && saysClosed(thrown, session.id)) {
        // It went while the batch was on its way: the write that noticed is no failure, and its last callback follows.
        session.isClosing = true;
        return;
      }
      session.fail();
    }
    this.#report(asError(thrown), entry, name);
  }

  /**
   * @param {Error} error
   * @param {Entry | null} entry
   * @param {string} name
   */
  #report(error, entry, name) {
    const where = entry ? `    in ${name} of connection ${entry.session.id}` : `    in ${name}`;
    /** @param {unknown} second */
    const alsoFailed = (second) => (warn(error, where), warn(second, '    in onError'));
    try {
      if (!this.#handler.onError) return this.#tell(error, where);
      const answer = this.#handler.onError(error, entry && entry.conn);
      if (isThenable(answer)) Promise.resolve(answer).then(undefined, alsoFailed);
    } catch (second) {
      alsoFailed(second);
    }
  }

  /**
   * Reports a failure where the user has no hook for it.
   * @param {Error} error
   * @param {string} where
   */
  #tell(error, where) {
    // One of the log's own would come back here.
    if (!this.#handler.onLog || where.endsWith('in onLog')) return warn(error, where);
    this.#log('error', [messageOf(error), where, framesOf(error)].filter(Boolean).join('\n'));
  }
}

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  try {
    return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
  } catch {
    // A proxy whose traps throw.
    return false;
  }
}

module.exports = { Callbacks };
