'use strict';

/** An error of the engine: what kind of wrong, in words, and the system's number if there is one. */
class ReactorError extends Error {
  /**
   * @param {string} code the kind, one of `ErrorCode`
   * @param {string} message
   * @param {{ errno?: number | null | undefined, cause?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    /** The kind, one of {@link ErrorCode}: `ADDRESS_IN_USE`. More will come. */
    this.code = code;
    if (typeof more.errno === 'number') {
      /**
       * The system's error number, where the system was the cause.
       * @type {number | undefined}
       */
      this.errno = more.errno;
    }
  }
}

Object.defineProperty(ReactorError.prototype, 'name', { value: 'ReactorError', configurable: true, writable: true });

/**
 * @param {import('../types/native.js').Failure} failure
 * @returns {ReactorError}
 */
const errorOf = ({ code, message, errno }) => new ReactorError(code, message, { errno });

module.exports = { ReactorError, errorOf };
