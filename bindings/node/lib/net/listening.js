// A server's listener in the engine.
'use strict';

const { AsyncResource } = require('node:async_hooks');

const { rethrow } = require('./closing.js');
const { theEngine } = require('./engine.js');
const { Handle, NOBODY } = require('./handle.js');

/** Listeners that are being closed, whose addresses are soon free. @type {Set<Promise<unknown>>} */
const closing = new Set();

/** What a server has instead of libuv's handle. */
class Listening {
  #engine = theEngine();
  #resource = new AsyncResource('ReactorServer');
  #isRef = true;
  #isActive = true;
  /** The number in the engine. */
  #number;

  /**
   * @param {string} url
   * @param {import('../terms.js').ListenOptions} options
   * @param {(error: number, handle: Handle) => void} onconnection
   * @throws {import('../error.js').ReactorError} what the engine's `listen` throws
   */
  constructor(url, options, onconnection) {
    const { server, listeners } = this.#engine;
    this.url = server.listen(url, { ...options, halfOpen: true });
    this.#number = /** @type {import('../server.js').Listener} */ (server.listeners.at(-1)).listener;
    /** The descriptor: the engine keeps it for itself. */
    this.fd = -1;
    const isMapped = /^tcp6?:\/\/\[/.test(this.url);
    /** Is told of each connection, as Node's handles tell it. */
    this.onconnection = onconnection;
    listeners.set(this.#number, (conn) => {
      try {
        this.#resource.runInAsyncScope(() => this.onconnection(0, new Handle(NOBODY, conn.remotePort === undefined).accept(conn, isMapped)));
      } catch (error) {
        rethrow(error);
      }
    });
    this.#engine.keep();
  }

  /**
   * Closes it: whoever was not accepted is reset.
   * @param {() => void} done
   */
  close(done) {
    const { server, listeners } = this.#engine;
    listeners.delete(this.#number);
    const closed = server.closeListener(this.#number, { refuse: true }).catch(() => {});
    closing.add(closed);
    closed.then(() => {
      closing.delete(closed);
      if (this.#isActive && this.#isRef) this.#engine.letGo();
      this.#isActive = false;
      this.#resource.runInAsyncScope(done);
    }).catch(rethrow);
  }

  ref() {
    if (!this.#isRef && this.#isActive) this.#engine.keep();
    this.#isRef = true;
  }

  unref() {
    if (this.#isRef && this.#isActive) this.#engine.letGo();
    this.#isRef = false;
  }

  hasRef() {
    return this.#isRef;
  }

  getAsyncId() {
    return this.#resource.asyncId();
  }
}

/** Whether an address may be free soon, and when. */
const whenFree = () => (closing.size > 0 ? Promise.all(closing) : undefined);

module.exports = { Listening, whenFree };
