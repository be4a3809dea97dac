// Replies of the Redis protocol: version 2, or 3, which has words of its own for nothing, maps and sets. Text is bytes: each
// character of a string is one (latin1).

/**
 * What is wrong with a command, in the words of Redis; with the word in front by which programs know it.
 */
export class CommandError extends Error {
  /**
   * @param {string} message
   * @param {string} [code]
   */
  constructor(message, code = 'ERR') {
    super(message);
    this.code = code;
  }
}

/** A short text, such as PONG. */
export class Word {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** Replies that are encoded already. */
export class Encoded {
  /** @param {Part[]} parts */
  constructor(parts) {
    this.parts = parts;
  }
}

export const OK = new Word('OK');
/** Nothing, where an array would be. */
export const NULL_ARRAY = Symbol('nothing');

/**
 * What a command answers: a string or a Buffer is a value.
 * @typedef {null | number | bigint | string | Buffer | Word | Encoded | CommandError | typeof NULL_ARRAY | ReplyList | ReplySet | ReplyMap} Reply
 */
/** @typedef {Reply[]} ReplyList */
/** @typedef {Set<Reply>} ReplySet different replies in any order */
/** @typedef {Map<string, Reply>} ReplyMap */
/** @typedef {string | Buffer} Part a part of the output */

/**
 * @param {Reply} reply
 * @param {number} protocol
 * @param {Part[]} parts where it is added
 */
export function encode(reply, protocol, parts) {
  if (typeof reply === 'string') parts.push(`$${reply.length}\r\n${reply}\r\n`);
  else if (Buffer.isBuffer(reply)) parts.push(`$${reply.length}\r\n`, reply, '\r\n');
  else if (typeof reply === 'number' || typeof reply === 'bigint') parts.push(`:${reply}\r\n`);
  else if (reply === null) parts.push(protocol === 2 ? '$-1\r\n' : '_\r\n');
  else if (reply === NULL_ARRAY) parts.push(protocol === 2 ? '*-1\r\n' : '_\r\n');
  else if (reply instanceof Word) parts.push(`+${reply.text}\r\n`);
  // Line breaks in what it quotes would break the protocol.
  else if (reply instanceof CommandError) parts.push(`-${reply.code} ${reply.message.replace(/[\r\n]/g, ' ')}\r\n`);
  else if (reply instanceof Encoded) for (const part of reply.parts) parts.push(part);
  else encodeMany(reply, protocol, parts);
}

/**
 * @param {ReplyList | ReplySet | ReplyMap} reply
 * @param {number} protocol
 * @param {Part[]} parts
 */
function encodeMany(reply, protocol, parts) {
  const isNew = protocol === 3;
  if (reply instanceof Map) parts.push(isNew ? `%${reply.size}\r\n` : `*${2 * reply.size}\r\n`);
  else if (reply instanceof Set) parts.push(`${isNew ? '~' : '*'}${reply.size}\r\n`);
  else parts.push(`*${reply.length}\r\n`);
  for (const part of reply instanceof Map ? [...reply].flat() : reply) encode(part, protocol, parts);
}

/**
 * The parts as they are sent: strings that stand side by side are one piece.
 * @param {Part[]} parts
 * @returns {Buffer[]}
 */
export function bytesOf(parts) {
  const pieces = [];
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
    } else {
      pieces.push(Buffer.from(text, 'latin1'), part);
      text = '';
    }
  }
  if (text) pieces.push(Buffer.from(text, 'latin1'));
  return pieces;
}
