'use strict';

const { closeSync } = require('node:fs');
const { Socket } = require('node:net');
const { ReactorError } = require('./error.js');

/**
 * A connection that was taken out of the engine: its descriptor, and the bytes that the engine still had. It is `onDetach`'s, which
 * takes it by {@link toSocket} or {@link takeFd}; if neither was called when that has ended, and its promise, the descriptor is closed.
 */
class Detached {
  #native;

  /**
   * @hideconstructor
   * @param {import('../types/native.js').NativeDetached} native
   */
  constructor(native) {
    this.#native = native;
    /** Input that was read and not consumed: what was kept, half a frame, frames that the handler was not given. @readonly */
    this.input = native.takeInput();
    /** Output that the kernel did not take in the one attempt that was made. @readonly */
    this.output = native.takeOutput();
  }

  /**
   * The connection as a socket of Node's, which reads {@link input} first, and has {@link output} written already.
   * @param {{ allowHalfOpen?: boolean, signal?: AbortSignal }} [options] as `new net.Socket` takes them
   * @returns {Socket} which owns the descriptor
   * @throws {ReactorError} `WRONG_STATE` if it was taken before
   */
  toSocket(options) {
    const fd = this.takeFd();
    try {
      const socket = new Socket({ ...options, fd, readable: true, writable: true });
      if (this.input.length > 0) socket.unshift(this.input);
      if (this.output.length > 0) socket.write(this.output);
      return socket;
    } catch (error) {
      // What there is wrong was found before the socket had it.
      closeSync(fd);
      throw error;
    }
  }

  /**
   * The descriptor, which is yours from now on, to be closed: non-blocking, and close-on-exec. The bytes are yours to read and to
   * send as well.
   * @returns {number} the descriptor
   * @throws {ReactorError} `WRONG_STATE` if it was taken before
   */
  takeFd() {
    const fd = this.#native.takeDescriptor();
    if (typeof fd === 'number') return fd;
    const message = 'the descriptor was taken before, or closed when onDetach had ended';
    throw new ReactorError('WRONG_STATE', message);
  }

  /**
   * Nobody takes it any more.
   * @internal
   */
  end() {
    this.#native.close();
  }
}

module.exports = { Detached };
