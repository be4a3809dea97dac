'use strict';

const { bytesOf, callbackOf, optionsOf, shown, wholeNumber, wrongType } = require('./check.js');
const { ReactorError, errorOf } = require('./error.js');
const native = require('./addon.js');

/**
 * How a byte stream is cut into frames, each of which `onData` gets by itself: what {@link line}, {@link fixed},
 * {@link delimiter}, {@link lengthField}, {@link resp} and {@link custom} make. It never changes, and may be used any number of times.
 */
class Framing {
  #measured;

  /**
   * @hideconstructor
   * @param {string} text as it stands in the query of a URL
   * @param {Measured} [measured] instead, of a function
   */
  constructor(text, measured) {
    /** As it stands in the query of a URL, behind `framing=`; where a function is one cannot stand there. @readonly */
    this.text = text;
    this.#measured = measured;
    Object.freeze(this);
    const failure = measured ? null : native.checkFraming(text);
    if (failure) throw errorOf(failure);
  }

  /**
   * What a function has to do with it.
   * @internal
   * @param {Framing} framing one
   * @returns {Measured | undefined} the function, and its largest frame
   */
  static measuredOf(framing) {
    return framing.#measured;
  }

  /** As it stands in the query of a URL, behind `framing=`. */
  toString() {
    return this.text;
  }
}

/**
 * @typedef {object} FrameSize
 * @property {number} [maxFrame] Bytes of the largest frame, all that it takes in the stream. A larger one ends the connection
 *   with `protocol error` as soon as it is known to be larger. Default: 16 MiB.
 */
/**
 * @typedef {object} Delimited
 * @property {boolean} [keepDelimiter] Whether frames are delivered with what ends them. A frame that is written has it already,
 *   then. Default: false.
 * @property {boolean} [deliverRest] Whether what comes between the last delimiter and the peer's end of file is a frame, too,
 *   unless it is empty. Default: false, it is a protocol error: nothing tells that such a frame is whole.
 */
/**
 * @typedef {object} LengthFieldOptions
 * @property {1 | 2 | 3 | 4 | 8 | 'varint'} [width] Bytes of the field, an unsigned number; or a varint as LEB128 and protobuf have it.
 *   Default: 4.
 * @property {'big' | 'little'} [order] The order of these bytes. Default: 'big', the highest first.
 * @property {number} [offset] Bytes in front of the field. Default: 0.
 * @property {number} [adjustment] What to add to the value to get the number of bytes behind the field: 0, the default, if the
 *   value counts just these; `-(offset + width)` if it counts the whole frame.
 * @property {number | 'header'} [strip] Bytes not delivered, from the front of the frame. Default: 'header', all up to the end of
 *   the field.
 */
/**
 * @typedef {object} RespOptions
 * @property {number} [maxArguments] Arguments that a command has at most, its name included. Default: 1,048,576.
 */

/**
 * Says how many bytes the frame has in all that the input begins with, those not yet there included; or `null` if the input is too
 * short to tell.
 * @callback Measure
 * @param {Buffer} input at least one byte; yours
 * @returns {number | null | undefined}
 */
/** @typedef {{ measure: Measure, maxFrame: number }} Measured */

const FRAME_SIZE = { maxFrame: 'max_frame' };
const DELIMITED = { ...FRAME_SIZE, keepDelimiter: 'keep_delimiter', deliverRest: 'deliver_rest' };
const LENGTH_FIELD = { ...FRAME_SIZE, order: 'order', offset: 'offset', adjustment: 'adjustment', strip: 'strip' };
const RESP = { ...FRAME_SIZE, maxArguments: 'max_arguments' };

/**
 * A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of it. Where every
 * line has to end with CR LF, use `delimiter('\r\n')`.
 * @param {FrameSize & Delimited} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
function line(options) {
  return framing('line', options, DELIMITED);
}

/**
 * Every frame has so many bytes, at least one.
 * @param {number} length bytes of a frame
 * @param {FrameSize} [options] where `maxFrame` must not be less
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
function fixed(length, options) {
  if (typeof length !== 'number') throw wrongType('length', 'a number of bytes', length);
  return framing(`fixed:${length}`, options, FRAME_SIZE);
}

/**
 * A frame ends before the next of the delimiters, each of one or more bytes, and is delivered without it. Of several whichever
 * is whole first counts, and of those that end with the same byte the longest. `writeFrame` writes the first.
 * @param {string | Uint8Array | readonly (string | Uint8Array)[]} delimiters one, or a list of them
 * @param {FrameSize & Delimited} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, a value out of range, and delimiters that exclude each other
 */
function delimiter(delimiters, options) {
  const all = Array.isArray(delimiters) ? delimiters : [delimiters];
  if (all.length === 0) throw new ReactorError('INVALID_ARGUMENT', 'a delimiter is needed');
  const [first, ...others] = all.map(escaped);
  return framing([`delimiter:${first}`, ...others.map((other) => `or=${other}`)].join(), options, DELIMITED);
}

/**
 * A frame has a header that says how long it is. It has as many bytes as offset, width, the field's value and adjustment say
 * together.
 * @param {FrameSize & LengthFieldOptions} [options] what its header is like
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
function lengthField(options = {}) {
  optionsOf(options, 'options', ['width', ...Object.keys(LENGTH_FIELD)]);
  const { width = 4, ...others } = options;
  return framing(`length:${setting(width, 'width')}`, others, LENGTH_FIELD);
}

/**
 * A frame is a command as Redis's clients send it, whole: an array of bulk strings, or a line of words. It is told to
 * `onCommand` as the list of its arguments, of which the first is its name. What is malformed or too large is answered in
 * Redis's words, and ends the connection with `protocol error`. Answers are written with `write`.
 * @param {FrameSize & RespOptions} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
function resp(options) {
  return framing('resp', options, RESP);
}

/**
 * A frame is as long as a function says, and delivered whole. It is asked again, from the beginning, when there is more, so a frame that
 * comes in small pieces costs the square of what it takes to tell; but no more once it has told. An error that it throws ends the
 * connection with `protocol error`, and so does a frame of no bytes. A `RangeError` means that the input is malformed; any other, and an
 * answer that is no whole number, is a failure of the function, and reported to `onError` as well. It runs where the loop does, so
 * there must be no other thread: servers of mode `'threads'` refuse it. Frames are written with `write`.
 * @param {Measure} measure says how long a frame is
 * @param {FrameSize} [options] how large one may be
 * @returns {Framing} for servers of mode `'inline'`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
function custom(measure, options) {
  const { maxFrame } = optionsOf(options, 'options', Object.keys(FRAME_SIZE));
  const most = wholeNumber(maxFrame, 'maxFrame', Number.MAX_SAFE_INTEGER);
  return new Framing('custom', { measure: callbackOf(measure), maxFrame: most });
}

/**
 * @param {string} kind
 * @param {object | undefined} options
 * @param {Record<string, string>} names those that there are, and what they are called in a query
 */
function framing(kind, options, names) {
  const given = Object.entries(optionsOf(options, 'options', Object.keys(names)));
  const asked = given.filter(([, value]) => value !== undefined);
  return new Framing([kind, ...asked.map(([name, value]) => `${names[name]}=${setting(value, name)}`)].join());
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function setting(value, name) {
  const plain = ['number', 'boolean'].includes(typeof value) || (typeof value === 'string' && /^\w+$/.test(value));
  if (plain) return String(value);
  throw wrongType(name, 'a number, a boolean or a word', value);
}

/** @param {string | Uint8Array} bytes */
function escaped(bytes) {
  if (typeof bytes !== 'string' && !ArrayBuffer.isView(bytes)) throw wrongType('a delimiter', 'a string or a Buffer', bytes);
  return Array.from(bytesOf(bytes), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/**
 * A framing as the addon takes it.
 * @param {unknown} value one, its text, a function that measures frames, or `null`
 * @param {(error: unknown) => void} failed takes what is wrong with a function
 * @returns {import('../types/native.js').Term}
 */
function framingTerm(value, failed) {
  if (MAKERS.includes(/** @type {any} */ (value))) throw new TypeError(`framing must be what ${shown(value)} returns, not the function`);
  const framing = typeof value === 'function' ? custom(/** @type {Measure} */ (value)) : value;
  if (framing === null) return { name: 'framing', text: 'none' };
  if (!(framing instanceof Framing) && typeof framing !== 'string') {
    throw new TypeError(`framing must be a Framing, such as line(), its text, a function, or null, not ${shown(value)}`);
  }
  const measured = typeof framing === 'string' ? undefined : Framing.measuredOf(framing);
  if (!measured) return { name: 'framing', text: String(framing) };
  return { name: 'framing', text: String(measured.maxFrame), measure: (input) => sizeBy(measured.measure, input, failed) };
}

/** Functions that measure no frames: somebody forgot to call them. @type {readonly unknown[]} */
const MAKERS = [custom, delimiter, fixed, lengthField, line, resp];

/** What the addon takes for what is no frame. */
const NO_FRAME = -1;

/**
 * Asks a function of the user's.
 * @param {Measure} measure
 * @param {Buffer} input
 * @param {(error: unknown) => void} failed
 * @returns {number} 0: that cannot be told yet
 */
function sizeBy(measure, input, failed) {
  try {
    const size = measure(input);
    if (size === null || size === undefined) return 0;
    if (typeof size === 'number' && Number.isInteger(size)) return size > 0 ? size : NO_FRAME;
    throw new TypeError(`a function that measures frames must return a whole number, or null, not ${shown(size)}`);
  } catch (error) {
    if (!(error instanceof RangeError)) failed(error);
    return NO_FRAME;
  }
}

module.exports = { Framing, custom, delimiter, fixed, framingTerm, lengthField, line, resp };
