'use strict';

const { nameAndText } = require('./system.js');

/**
 * What the system's part in an error was.
 * @typedef {object} Because
 * @property {number | null | undefined} [errno]
 * @property {string} [syscall]
 * @property {string} [url] the address that it was about
 */

/**
 * An error of the engine: what kind of wrong, in words; and where the system was the cause what it said, as Node's own errors have it:
 * `errno`, `systemCode`, `syscall`, and of an address `address` and `port`, or `path`.
 */
class ReactorError extends Error {
  /**
   * @param {string} code the kind, one of `ErrorCode`
   * @param {string} message
   * @param {Because & { cause?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    /** The kind, one of {@link ErrorCode}: `ADDRESS_IN_USE`. More will come. */
    this.code = code;
    // What is not known is not shown either.
    if (typeof more.errno === 'number') {
      /**
       * The system's error number, where the system was the cause: above 0, as `onClose` has it.
       * @type {number | undefined}
       */
      this.errno = more.errno;
      /**
       * The name of that number: `EADDRINUSE`. It is what `code` is in Node's errors.
       * @type {string | undefined}
       */
      this.systemCode = nameAndText(more.errno)?.[0];
      const { address, port, path } = placeOf(more.url);
      if (more.syscall !== undefined) {
        /**
         * What the system was asked for: `listen`, `setsockopt`.
         * @type {string | undefined}
         */
        this.syscall = more.syscall;
      }
      if (address !== undefined) {
        /**
         * The address that it was about: an IP address or a name.
         * @type {string | undefined}
         */
        this.address = address;
      }
      if (port !== undefined) {
        /**
         * The port that it was about.
         * @type {number | undefined}
         */
        this.port = port;
      }
      if (path !== undefined) {
        /**
         * The path of the Unix socket that it was about.
         * @type {string | undefined}
         */
        this.path = path;
      }
    }
  }
}

/**
 * Where a URL leads, as far as an error has it.
 * @param {string} [url]
 * @returns {{ address?: string | undefined, port?: number, path?: string | undefined }}
 */
function placeOf(url = '') {
  const [, scheme, address = ''] = url.match(/^(?:(\w+):\/\/)?([^?]*)/) ?? [];
  if (scheme?.toLowerCase() === 'unix') return { path: address };
  const [, v6, host = v6, port] = address.match(/^(?:\[(.*)\]|(.*)):(\d+)$/) ?? [];
  return port === undefined ? {} : { address: host || undefined, port: Number(port) };
}

Object.defineProperty(ReactorError.prototype, 'name', { value: 'ReactorError', configurable: true, writable: true });

/** @typedef {import('./conn_id.js').ConnId} ConnId */

/**
 * The connection that an error says is closed.
 * @type {WeakMap<object, ConnId>}
 */
const CLOSED = new WeakMap();

/**
 * @param {import('../types/native.js').Failure} failure
 * @param {ConnId} [id] the connection that the call was about
 * @param {Because} [because]
 * @returns {ReactorError}
 */
function errorOf({ code, message, errno }, id, because) {
  const error = new ReactorError(code, message, { ...because, errno });
  if (id && code === 'CLOSED') CLOSED.set(error, id);
  return error;
}

/** @param {ConnId} id */
const closedError = (id) => errorOf({ code: 'CLOSED', message: `connection ${id} is closed` }, id);

/**
 * Whether what was thrown is the failure of a call on this connection because it is closed.
 * @param {unknown} thrown
 * @param {ConnId} id
 */
function saysClosed(thrown, id) {
  const closed = typeof thrown === 'object' && thrown !== null ? CLOSED.get(thrown) : undefined;
  return closed?.high === id.high && closed.low === id.low;
}

module.exports = { ReactorError, closedError, errorOf, saysClosed };
