'use strict';

const { wrongType } = require('./check.js');

/** Bytes of what comes with a datagram: see `Envelope` of the engine's log. */
const LENGTH = 64;
const [TRUNCATED, HAS_DESTINATION] = [1, 2];
const [PORT, ZONE, INTERFACE, SENDER, DESTINATION] = [2, 4, 8, 16, 32];

/**
 * What the addon answers a datagram by.
 * @type {(datagram: Datagram) => Buffer}
 */
let envelopeOf;

/** What came with a datagram: who sent it, and where to. `conn.sendTo` takes it to answer the sender. */
class Datagram {
  #envelope;

  /**
   * @hideconstructor
   * @param {Buffer} envelope
   * @param {number} size
   */
  constructor(envelope, size) {
    this.#envelope = envelope;
    /** Bytes of the datagram. @readonly */
    this.size = size;
  }

  /** The sender's IP address, without the port. */
  get address() {
    const { address } = ipAt(this.#envelope, SENDER);
    const zone = this.#envelope.readUInt32LE(ZONE);
    return zone === 0 ? address : `${address}%${zone}`;
  }

  /** The sender's port. */
  get port() {
    return this.#envelope.readUInt16LE(PORT);
  }

  /** The kind of the sender's address. */
  get family() {
    return ipAt(this.#envelope, SENDER).family;
  }

  /** The sender's address, as `conn.sendTo` takes it: `127.0.0.1:5000` or `[::1]:5000`. */
  get sender() {
    return this.family === 'IPv4' ? `${this.address}:${this.port}` : `[${this.address}]:${this.port}`;
  }

  /** The IP address that it was sent to: one of this machine's, a multicast group, or everybody's. `null` if it is not known. */
  get destination() {
    const known = (this.#flags & HAS_DESTINATION) !== 0;
    return known ? ipAt(this.#envelope, DESTINATION).address : null;
  }

  /** The number of the network interface by which it came; `null` if it is not known. */
  get interface() {
    return this.#envelope.readUInt32LE(INTERFACE) || null;
  }

  /** Whether it was longer than the listener's `datagramSize`, and its end is lost. */
  get truncated() {
    return (this.#flags & TRUNCATED) !== 0;
  }

  get #flags() {
    return this.#envelope.readUInt8(0);
  }

  static {
    envelopeOf = (datagram) => datagram.#envelope;
  }
}

/**
 * @param {Buffer} envelope
 * @param {number} at
 * @returns {{ address: string, family: 'IPv4' | 'IPv6' }}
 */
function ipAt(envelope, at) {
  const isV4 = envelope.readUInt32BE(at + 8) === 0xffff && envelope.readBigUInt64BE(at) === 0n;
  if (isV4) return { address: envelope.subarray(at + 12, at + 16).join('.'), family: 'IPv4' };
  const groups = Array.from({ length: 8 }, (_, group) => envelope.readUInt16BE(at + 2 * group).toString(16));
  return { address: shortened(groups), family: 'IPv6' };
}

/**
 * The longest run of zeroes, of two or more, as `::`, the first of equals.
 * @param {string[]} groups
 */
function shortened(groups) {
  let [from, length] = [0, 1];
  for (let at = 0; at < groups.length; at += 1) {
    let end = at;
    while (groups[end] === '0') end += 1;
    if (end - at > length) [from, length] = [at, end - at];
  }
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
}

/**
 * An address to send to, as the addon takes it.
 * @param {string | { address: string, port: number }} to
 * @returns {string}
 */
function addressText(to) {
  if (typeof to === 'string') return to;
  const { address, port } = /** @type {{ address?: unknown, port?: unknown }} */ (to ?? {});
  if (typeof address !== 'string' || typeof port !== 'number') {
    throw wrongType('to', "a text such as '127.0.0.1:5000', an object with address and port, or a Datagram", to);
  }
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

module.exports = { Datagram, LENGTH, addressText, envelopeOf };
