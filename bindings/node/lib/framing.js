'use strict';

const { bytesOf, optionsOf, shown, wrongType } = require('./check.js');
const { ReactorError, errorOf } = require('./error.js');
const native = require('./addon.js');

/**
 * How a byte stream is cut into frames, each of which `onData` gets by itself: what {@link line}, {@link fixed},
 * {@link delimiter}, {@link lengthField} and {@link resp} make. It never changes, and may be used any number of times.
 */
class Framing {
  /**
   * @hideconstructor
   * @param {string} text as it stands in the query of a URL
   */
  constructor(text) {
    /** As it stands in the query of a URL, behind `framing=`. @readonly */
    this.text = text;
    Object.freeze(this);
    const failure = native.checkFraming(text);
    if (failure) throw errorOf(failure);
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
 * @param {unknown} value one, its text, or `null`
 * @returns {string}
 */
function framingText(value) {
  if (value === null) return 'none';
  if (value instanceof Framing || typeof value === 'string') return String(value);
  if (typeof value === 'function') {
    const why = 'a function cannot cut frames on threads of the engine: take what comes, and leave the rest by conn.keep';
    throw new ReactorError('UNSUPPORTED', why);
  }
  throw new TypeError(`framing must be a Framing, such as line(), its text, or null, not ${shown(value)}`);
}

module.exports = { Framing, delimiter, fixed, framingText, lengthField, line, resp };
