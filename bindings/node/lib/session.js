'use strict';

const { envelopeOf } = require('./datagram.js');
const { ReactorError, closedError, errorOf } = require('./error.js');
const { framingTerm } = require('./framing.js');
const { Timer } = require('./timer.js');
const { Waiting } = require('./waiting.js');
const { warn } = require('./warning.js');

/** @typedef {import('./conn_id.js').ConnId} ConnId */
/** @typedef {import('./conn.js').NativeServer} NativeServer */
/** @typedef {import('./datagram.js').Datagram} Datagram */
/** @typedef {import('./scope.js').Scope} Scope */
/** @typedef {import('./table.js').Entry} Entry */
/** @typedef {(error: ReactorError | null) => unknown} Written */
/** @typedef {import('./waiting.js').Input} Input */

/**
 * Who calls the user for connections.
 * @typedef {object} Caller
 * @property {(entry: Entry, timer: Timer) => void} due for a timer
 * @property {(entry: Entry, ask: (token: number) => import('../types/native.js').Failure | null, call: (conn: any) => unknown) =>
 *   import('../types/native.js').Failure | null} run when its loop has come to that
 * @property {(error: unknown) => void} failed when a function that measures frames has
 * @property {() => void} catchUp carries out what other threads have asked for before
 * @property {(session: Session, written: Written, error: ReactorError) => void} written tells how a write has ended
 * @property {(id: ConnId) => boolean} isTold whether a callback of its is what is being called, so that nothing of its is on the way
 * @property {(id: ConnId) => Buffer[]} rest takes out of what is being delivered what the handler was not given, as it came
 */

/** What `input` is while a handler is given what a framing has cut. */
const CUT = Buffer.alloc(0);

/** Promises of datagrams that may run side by side. */
const MOST = 1024;

/** The completion that was asked for last. */
let lastToken = 0;

/** What a connection may have to wait for. */
class Rare {
  /** What was handed over before the engine knew that the connection is not to be read. */
  waiting = new Waiting();
  /**
   * What else is due when the promises have ended, each once: `wake`, or a timer.
   * @type {Map<unknown, () => void>}
   */
  owed = new Map();
  /**
   * What is to be called when writes have come to their end, by their tokens.
   * @type {Map<number, Written>}
   */
  written = new Map();
  /** @type {Set<Timer>} */
  timers = new Set();
}

/** What the package keeps of a connection, besides the object that the user has. */
class Session {
  #native;
  #outbox;
  #high;
  #low;
  #caller;
  /** Holds of the user's that were not released. */
  #holds = 0;
  /** Callbacks whose promise has not ended, each of which holds the connection. */
  #running = 0;
  #isPaused = false;
  /**
   * What most connections never have.
   * @type {Rare | undefined}
   */
  #rare;
  /** Bytes of the input that are not consumed. */
  #kept = 0;

  /**
   * @param {NativeServer} native
   * @param {ConnId} id
   * @param {Scope} scope
   * @param {Caller} caller
   * @param {import('./outbox.js').Outbox} outbox
   */
  constructor(native, id, scope, caller, outbox) {
    this.#native = native;
    this.#outbox = outbox;
    this.#high = id.high;
    this.#low = id.low;
    this.#caller = caller;
    this.id = id;
    /**
     * It and the object that the user has, as soon as there is that.
     * @type {Entry | undefined}
     */
    this.entry = undefined;
    /** Whether input must wait. Looked at for each, and changed seldom. */
    this.waits = false;
    /** Bytes that can be written at least without pressure, as far as is known. */
    this.room = 0;
    /** The asynchronous context of its callbacks. */
    this.scope = scope;
    /** This side has closed it: what the engine still holds for it is dropped, except onClose. */
    this.isClosing = false;
    /** Its callbacks need not know that it is closing: another thread has asked for that, or it was before they were told of it. */
    this.endsUnseen = false;
    /** It is to be handed out, and what comes of its input until then goes back to the engine, to be handed out as well. */
    this.isDetaching = false;
    /** Its framing was set while input of it may have been on its way, which was cut as it was before. */
    this.isReframed = false;
    /** Its last callback was called, or is being called. */
    this.isGone = false;
    /**
     * What the handler is being given.
     * @type {Buffer | null}
     */
    this.input = null;
    /** This side has made it. */
    this.isOutgoing = false;
    /** It is a UDP endpoint: it has no end of its own, and is not held. */
    this.isEndpoint = false;
    /**
     * The datagram that the handler is being given, which a write answers.
     * @type {Datagram | null}
     */
    this.datagram = null;
    /**
     * What the engine has told of its end.
     * @type {string | undefined}
     */
    this.about = undefined;
  }

  /** What it may have to wait for, from now on. */
  get #more() {
    return (this.#rare ??= new Rare());
  }

  /** How much input waits. */
  get #waiting() {
    return this.#rare === undefined ? 0 : this.#rare.waiting.length;
  }

  /** What the engine is asked by: behind what was written before. */
  get #engine() {
    this.#outbox.flush();
    return this.#native;
  }

  get isOpen() {
    return this.#native.isOpen(this.#high, this.#low);
  }

  // ---- writing ----

  /**
   * @param {Uint8Array} bytes
   * @returns {boolean}
   */
  write(bytes) {
    if (this.datagram !== null) return this.answer(this.datagram, bytes);
    if (this.#outbox.add(this, bytes)) return true;
    this.room -= bytes.length;
    return this.#accepted(this.#engine.write(this.#high, this.#low, bytes));
  }

  /** @param {Uint8Array[]} parts */
  writev(parts) {
    if (this.datagram !== null) return this.answer(this.datagram, Buffer.concat(parts));
    if (this.#outbox.addParts(this, parts)) return true;
    this.room = 0;
    return this.#accepted(this.#engine.writev(this.#high, this.#low, parts));
  }

  /**
   * @param {Datagram} datagram
   * @param {Uint8Array} bytes
   */
  answer(datagram, bytes) {
    return this.#accepted(this.#engine.answer(this.#high, this.#low, bytes, envelopeOf(datagram)));
  }

  /**
   * @param {string} to
   * @param {Uint8Array} bytes
   */
  sendTo(to, bytes) {
    return this.#accepted(this.#engine.sendTo(this.#high, this.#low, bytes, to));
  }

  /** @param {Uint8Array} payload */
  writeFrame(payload) {
    this.room = 0;
    return this.#accepted(this.#engine.writeFrame(this.#high, this.#low, payload));
  }

  /**
   * @param {Uint8Array[]} parts
   * @param {Written} written
   */
  writeThen(parts, written) {
    if (this.datagram !== null) throw new ReactorError('UNSUPPORTED', untold(this.id));
    this.room = 0;
    lastToken = (lastToken + 1) >>> 0;
    const accepted = this.#accepted(this.#engine.writeThen(this.#high, this.#low, parts, lastToken));
    // It never comes from inside the call.
    this.#more.written.set(lastToken, written);
    return accepted;
  }

  /**
   * A write has come to its end.
   * @param {number} token
   * @returns {Written | undefined} whom to tell
   */
  takeWritten(token) {
    const written = this.#rare?.written.get(token);
    this.#rare?.written.delete(token);
    return written;
  }

  /** @param {boolean | import('../types/native.js').Failure} done */
  #accepted(done) {
    if (typeof done === 'boolean') return done;
    // The engine names the call as its own languages have it.
    throw errorOf({ ...done, message: done.message.replace('use send_to', 'use sendTo') }, this.id);
  }

  // ---- ending ----

  end() {
    this.room = 0;
    this.#asked(this.#engine.end(this.#high, this.#low));
  }

  /** Another thread has ended it: no writes are gathered for it any more. */
  endedElsewhere() {
    this.room = 0;
  }

  close() {
    this.#ends(this.#engine.close(this.#high, this.#low));
  }

  abort() {
    this.#ends(this.#engine.abort(this.#high, this.#low));
  }

  /** An answer closes it. It may be closed already; then there is nothing left to do. */
  closeIfOpen() {
    const failure = this.#engine.close(this.#high, this.#low);
    this.room = 0;
    if (failure?.code !== 'CLOSED') this.#ends(failure);
    this.isClosing = true;
  }

  detach() {
    this.#caller.catchUp();
    this.#ends(this.#detach());
  }

  /** Another thread wants it handed out. */
  detachAsked() {
    this.endsUnseen ||= !this.isClosing;
    this.#ends(this.#detach());
  }

  /** An answer detaches it, as {@link closeIfOpen} has it. */
  detachIfOpen() {
    const failure = this.#detach();
    this.room = 0;
    if (failure?.code !== 'CLOSED') this.#ends(failure);
  }

  /** What the handler has not consumed is handed out, too. */
  #detach() {
    if (this.isClosing) return { code: 'CLOSED', message: closedError(this.id).message };
    this.finish();
    this.giveRestBack();
    const failure = this.#engine.detach(this.#high, this.#low);
    this.isDetaching = failure === null;
    return failure;
  }

  /** A callback of its failed. An endpoint stays as it is. */
  fail() {
    this.isClosing = !this.isEndpoint;
    this.room = 0;
    this.#engine.fail(this.#high, this.#low);
  }

  /**
   * It is closing, unless that cannot be.
   * @param {import('../types/native.js').Failure | null} failure
   */
  #ends(failure) {
    if (failure?.code !== 'UNSUPPORTED') this.isClosing = true;
    this.room = 0;
    this.#asked(failure);
  }

  /** @param {import('../types/native.js').Failure | null} failure */
  #asked(failure) {
    if (failure) throw errorOf(failure, this.id);
  }

  // ---- reading ----

  pause() {
    this.#caller.catchUp();
    this.pauseAsked();
  }

  /** Another thread has it paused. */
  pauseAsked() {
    this.#asked(this.#native.pause(this.#high, this.#low));
    this.#isPaused = true;
    this.#changed();
  }

  resume() {
    this.#caller.catchUp();
    this.resumeAsked();
  }

  /** Another thread has it read again. */
  resumeAsked() {
    // The engine does not go on with what is held.
    if (this.#waiting === 0 || this.#isHeld) this.#asked(this.#engine.resume(this.#high, this.#low));
    else this.#resumeSoon();
    this.#isPaused = false;
    this.#changed();
  }

  /** What has waited comes before the engine goes on, which might end the connection; but never from inside the call that resumes. */
  #resumeSoon() {
    // One that was ended takes no writes, and is read all the same.
    if (this.isClosing || this.isGone) throw closedError(this.id);
    queueMicrotask(() => {
      this.#giveWaiting();
      // It may be closed by now.
      if (!this.#isPaused) this.#engine.resume(this.#high, this.#low);
    });
  }

  hold() {
    this.#caller.catchUp();
    this.holdAsked();
  }

  /** Another thread holds it once more. */
  holdAsked() {
    this.#asked(this.#native.holdConn(this.#high, this.#low));
    this.#holds += 1;
    this.#changed();
  }

  release() {
    this.#caller.catchUp();
    this.releaseAsked();
  }

  /** Another thread takes a hold back. */
  releaseAsked() {
    if (this.#holds === 0) throw this.#notHeld();
    this.#holds -= 1;
    this.#changed();
    this.#asked(this.#letGo());
  }

  /** Why there is no hold to take back. */
  #notHeld() {
    if (!this.isOpen) return closedError(this.id);
    // It has one only while a promise runs, or input waits.
    const failure = this.waits ? null : this.#engine.releaseConn(this.#high, this.#low);
    return failure?.code === 'UNSUPPORTED' ? errorOf(failure, this.id) : notHeld(this.id);
  }

  /** A callback goes on in its promise. Says whether the engine holds the connection for it. */
  runs() {
    this.#running += 1;
    this.#changed();
    if (this.isEndpoint) {
      // They run side by side, but not without end.
      if (this.#running === MOST) this.#native.pause(this.#high, this.#low);
      return false;
    }
    return this.#native.holdConn(this.#high, this.#low) === null;
  }

  /**
   * The promise has ended, and what it asks for was done.
   * @param {boolean} held what {@link runs} said
   */
  ran(held) {
    this.#running -= 1;
    this.#changed();
    this.#pay();
    if (held) this.#letGo();
    if (!this.isEndpoint || this.#running !== MOST - 1) return;
    this.#giveWaiting();
    if (!this.#isHeld && !this.#isPaused) this.#engine.resume(this.#high, this.#low);
  }

  /** Something has changed that says whether input must wait. */
  #changed() {
    this.waits = this.#isHeld || this.#isPaused || this.#waiting > 0;
  }

  get #isHeld() {
    return this.isEndpoint ? this.#running >= MOST : this.#holds + this.#running > 0;
  }

  /**
   * @param {Input} input
   * @param {(input: Input) => void} give
   * @param {Buffer} [piece]
   */
  keepWaiting(input, give, piece) {
    this.#more.waiting.push({ input, give, piece });
    this.#changed();
  }

  /** Whether input that comes is to go back to the engine. */
  get givesBack() {
    return this.isDetaching || this.isReframed;
  }

  /**
   * What the handler was not given of what was handed over goes back to the engine, as it came.
   * @returns {boolean} whether there was something
   */
  giveRestBack() {
    this.isReframed = false;
    const pieces = [...(this.#rare?.waiting.takePieces() ?? []), ...this.#caller.rest(this.id)];
    this.#changed();
    // It may be closed by now.
    if (pieces.length > 0) this.#engine.giveAgain(this.#high, this.#low, Buffer.concat(pieces));
    return pieces.length > 0;
  }

  /**
   * What is no input: at once, or when the promises have ended.
   * @param {unknown} what of which one may be owed
   * @param {() => void} call
   */
  soon(what, call) {
    if (this.#running > 0 && !this.isEndpoint) this.#more.owed.set(what, call);
    else call();
  }

  /** One hold less. What has waited comes before the engine goes on, but never from inside the call that releases. */
  #letGo() {
    if (this.#isHeld || this.#waiting === 0) {
      return this.#engine.releaseConn(this.#high, this.#low);
    }
    queueMicrotask(() => {
      this.#giveWaiting();
      // It may be closed by now.
      this.#engine.releaseConn(this.#high, this.#low);
    });
    return null;
  }

  #giveWaiting() {
    while (!this.#isHeld && !this.#isPaused && this.#waiting > 0) {
      const { input, give } = /** @type {import('./waiting.js').Waiter} */ (this.#more.waiting.shift());
      this.#changed();
      if (!this.isClosing) protectedly(() => give(input));
    }
  }

  /** Calls what was due while a promise ran. */
  #pay() {
    const owed = this.#rare?.owed;
    while (owed && this.#running === 0 && owed.size > 0) {
      const [[what, call]] = /** @type {Iterable<any>} */ (owed);
      owed.delete(what);
      if (!this.isClosing) protectedly(call);
    }
  }

  /**
   * The handler is given input, of which it may keep something.
   * @param {Buffer | Buffer[]} input
   * @param {boolean} isCut a framing has cut it
   */
  begin(input, isCut) {
    this.input = isCut ? CUT : /** @type {Buffer} */ (input);
  }

  /** @param {number} count */
  keep(count) {
    if (this.isGone || this.isClosing) throw closedError(this.id);
    if (this.input === null) throw wrongState(this.id, 'keep is for the callback that is given the input, until it returns');
    if (this.input === CUT) throw wrongState(this.id, 'of a frame nothing can be kept: keep is for input without framing');
    if (count > this.input.length) {
      const message = `connection ${this.id}: cannot keep ${count} bytes of an input of ${this.input.length}`;
      throw new ReactorError('INVALID_ARGUMENT', message);
    }
    this.#kept = count;
  }

  /** The handler has returned: what it keeps comes again, in front of what is next. */
  finish() {
    const { input } = this;
    this.input = null;
    if (this.#kept === 0 || input === null) return;
    const kept = input.subarray(input.length - this.#kept);
    this.#kept = 0;
    const next = this.#rare?.waiting.first;
    if (Buffer.isBuffer(next?.input)) next.piece = next.input = Buffer.concat([kept, next.input]);
    else this.#engine.giveBack(this.#high, this.#low, kept);
  }

  // ---- calling back ----

  wake() {
    this.#asked(this.#engine.wake(this.#high, this.#low));
  }

  /** @param {(conn: any) => unknown} call */
  run(call) {
    this.#asked(this.#caller.run(/** @type {Entry} */ (this.entry), (token) => this.#engine.runOnConn(this.#high, this.#low, token), call));
  }

  /**
   * @param {number} delayMs
   * @param {number} repeatMs
   */
  setTimer(delayMs, repeatMs) {
    if (this.isGone || this.isClosing) throw closedError(this.id);
    const { timers } = this.#more;
    const timer = new Timer(delayMs, repeatMs, (of) => this.#caller.due(/** @type {Entry} */ (this.entry), of), (of) => timers.delete(of));
    timers.add(timer);
    return timer;
  }

  // ---- the rest ----

  /**
   * @param {number} idle
   * @param {number} read
   * @param {number} write
   */
  setTimeouts(idle, read, write) {
    this.#asked(this.#engine.setTimeouts(this.#high, this.#low, idle, read, write));
  }

  /** @param {unknown} framing */
  setFraming(framing) {
    const term = framingTerm(framing, this.#caller.failed);
    this.#asked(this.#engine.setFraming(this.#high, this.#low, term));
    // A connection has input in one log at a time.
    this.isReframed = !this.giveRestBack() && !this.#caller.isTold(this.id);
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  setOption(name, text) {
    const failure = this.#engine.setOption(this.#high, this.#low, { name, text });
    if (failure) throw errorOf(failure, this.id, { syscall: 'setsockopt' });
  }

  /** @param {boolean} ofPeer */
  address(ofPeer) {
    return this.#engine.address(this.#high, this.#low, ofPeer);
  }

  info() {
    return this.#engine.info(this.#high, this.#low);
  }

  peerCredentials() {
    const credentials = this.#engine.peerCredentials(this.#high, this.#low);
    if ('code' in credentials) throw errorOf(credentials, this.id, { syscall: 'getsockopt' });
    return credentials;
  }

  /** The connection is gone: nobody is to be given what has waited. */
  drop() {
    this.isGone = true;
    const rare = this.#rare;
    this.#rare = undefined;
    this.#changed();
    if (rare === undefined) return;
    rare.owed.clear();
    for (const timer of rare.timers) timer.cancel();
    // Of endpoints, and of what the loop has not come to.
    for (const written of rare.written.values()) this.#caller.written(this, written, closedError(this.id));
  }
}

/** @param {() => void} call */
function protectedly(call) {
  try {
    call();
  } catch (error) {
    warn(error);
  }
}

/**
 * @param {ConnId} id
 * @param {string} why
 */
const wrongState = (id, why) => new ReactorError('WRONG_STATE', `connection ${id}: ${why}`);

/** @param {ConnId} id */
const untold = (id) => `${id} is a UDP endpoint, of which nobody tells when a datagram has left: answer by write or sendTo, without a callback`;

/** @param {ConnId} id */
function notHeld(id) {
  const message = `connection ${id} is not held: it was released as often as it was held`;
  return new ReactorError('WRONG_STATE', message);
}

module.exports = { Session };
