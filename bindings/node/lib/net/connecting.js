// How a socket finds the address that it connects to: names are looked up, and of several addresses one after the other is tried.
'use strict';

const dns = require('node:dns');
const { isIP } = require('node:net');

const { checkedPort, coded, expectBoolean, expectFunction, expectInteger, expectString, wrongType } = require('./arguments.js');
const { defaults } = require('./defaults.js');
const { systemError } = require('./errors.js');
const { Handle } = require('./handle.js');
const { tcpUrl } = require('./place.js');

/**
 * A place to try.
 * @typedef {{ address: string, family: number, port: number }} Place
 */
/** @typedef {any} Socket */

const [EINVAL, ETIMEDOUT] = [22, 110];

/**
 * Looks up and connects.
 * @param {Socket} socket
 * @param {any} options
 */
function lookUpAndConnect(socket, options) {
  const { localAddress, localPort, family } = options;
  const host = options.host || 'localhost';
  if (typeof host !== 'string') throw wrongType('options.host', 'of type string', host);
  if (localAddress && !isIP(localAddress)) {
    throw coded(/** @type {any} */ (TypeError), 'ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${localAddress}`);
  }
  if (localPort) expectInteger(localPort, 'options.localPort');
  const port = portOf(options.port);
  const several = options.autoSelectFamily ?? defaults.autoSelectFamily;
  if (options.autoSelectFamily != null) expectBoolean(options.autoSelectFamily, 'options.autoSelectFamily');
  const patience = patienceOf(options.autoSelectFamilyAttemptTimeout);
  const literal = isIP(host);
  if (literal) {
    process.nextTick(() => {
      if (socket.connecting) tryOne(socket, { address: host, family: literal, port }, options);
    });
    return;
  }
  if (options.lookup != null) expectFunction(options.lookup, 'options.lookup');
  const asked = { family: socketFamily(family), hints: options.hints || 0 };
  socket._host = host;
  if (several && asked.family !== 4 && asked.family !== 6 && !localAddress) lookUpAll(socket, host, port, options, asked, patience);
  else lookUpOne(socket, host, port, options, asked);
}

/** @param {any} port */
function portOf(port) {
  if (typeof port !== 'number' && typeof port !== 'string') {
    throw wrongType('options.port', 'one of type number or string', port);
  }
  return checkedPort(port, 'Port');
}

/** @param {any} patience */
function patienceOf(patience) {
  if (patience == null) return defaults.attemptTimeout;
  expectInteger(patience, 'options.autoSelectFamilyAttemptTimeout', 1);
  return Math.max(patience, 10);
}

/** @param {any} family */
const socketFamily = (family) => (family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : family);

/**
 * @param {Socket} socket
 * @param {string} host
 * @param {number} port
 * @param {any} options
 * @param {any} asked
 */
function lookUpOne(socket, host, port, options, asked) {
  const lookup = options.lookup ?? dns.lookup;
  lookup(host, asked, (/** @type {any} */ error, /** @type {any} */ address, /** @type {any} */ family) => {
    socket.emit('lookup', error, address, family, host);
    if (!socket.connecting) return;
    if (error) return void process.nextTick(() => socket.destroy(error));
    const problem = problemOf({ address, family }, host, options.port);
    if (problem) return void process.nextTick(() => socket.destroy(problem));
    socket._unrefTimer();
    tryOne(socket, { address, family, port }, options);
  });
}

/**
 * Why what a look-up has found is no address.
 * @param {{ address: any, family: any }} found
 * @param {string} host
 * @param {unknown} port
 */
function problemOf({ address, family }, host, port) {
  if (typeof address !== 'string' || !isIP(address)) {
    return coded(/** @type {any} */ (TypeError), 'ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${address}`);
  }
  if (family === 4 || family === 6) return undefined;
  const message = `Invalid address family: ${family} ${host}:${port}`;
  const problem = coded(/** @type {any} */ (RangeError), 'ERR_INVALID_ADDRESS_FAMILY', message);
  return Object.assign(problem, { host, port });
}

/**
 * @param {Socket} socket
 * @param {string} host
 * @param {number} port
 * @param {any} options
 * @param {any} asked
 * @param {number} patience
 */
function lookUpAll(socket, host, port, options, asked, patience) {
  const lookup = options.lookup ?? dns.lookup;
  lookup(host, { ...asked, all: true }, (/** @type {any} */ error, /** @type {any} */ found) => {
    if (!socket.connecting) return;
    if (error) {
      socket.emit('lookup', error, undefined, undefined, host);
      return void process.nextTick(() => socket.destroy(error));
    }
    const places = usable(socket, host, port, found);
    if (places.length === 0) {
      const [first = {}] = Array.isArray(found) ? found : [];
      return void process.nextTick(() => socket.destroy(problemOf(first, host, options.port)));
    }
    socket._unrefTimer();
    const [only] = places;
    if (only && places.length === 1) tryOne(socket, only, options);
    else void new Attempts(socket, places, options, patience).next();
  });
}

/**
 * Those of the addresses that are some, the families by turns, beginning with the first one's.
 * @param {Socket} socket
 * @param {string} host
 * @param {number} port
 * @param {any[]} found
 * @returns {Place[]}
 */
function usable(socket, host, port, found) {
  for (const { address, family } of found) socket.emit('lookup', null, address, family, host);
  const good = found.filter((one) => problemOf(one, host, port) === undefined);
  const first = good.filter(({ family }) => family === good[0].family);
  const second = good.filter(({ family }) => family !== good[0].family);
  const mixed = [];
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) mixed.push(first[at], second[at]);
  return mixed.filter(Boolean).map(({ address, family }) => ({ address, family, port }));
}

/**
 * Connects to one address.
 * @param {Socket} socket
 * @param {Place} place
 * @param {any} options
 */
function tryOne(socket, { address, family, port }, options) {
  if (isBlocked(socket, address, family)) return void socket.destroy(blocked(address));
  socket.emit('connectionAttempt', address, port, family);
  if (!socket.connecting) return;
  const failed = begin(socket._handle, { address, family, port }, options);
  if (failed) socket.destroy(failed);
  else socket._tries = { address, port, family, options };
}

/**
 * Asks the engine for a connection.
 * @param {Handle} handle
 * @param {Place} place
 * @param {any} options
 * @returns {Error | undefined} why there is none
 */
function begin(handle, { address, port }, options) {
  try {
    handle.connect(tcpUrl(address, port), connectOptions(options, isIP(address)));
    return undefined;
  } catch (error) {
    return connectError(errnoOf(error), address, port, options);
  }
}

/** @param {any} error of the engine's, or of the kind of Node's, where it is negative */
const errnoOf = ({ errno = EINVAL }) => Math.abs(errno);

/**
 * @param {any} options
 * @param {number} family
 */
function connectOptions({ localAddress, localPort, noDelay }, family) {
  const delays = noDelay !== undefined && !noDelay ? { nodelay: false } : {};
  if (!localAddress && !localPort) return delays;
  const address = localAddress || (family === 6 ? '::' : '0.0.0.0');
  const host = isIP(address) === 6 ? `[${address}]` : address;
  return { ...delays, bind: localPort ? `${host}:${localPort}` : address };
}

/**
 * @param {number} errno
 * @param {string} address
 * @param {number | undefined} port
 * @param {any} options
 */
function connectError(errno, address, port, { localAddress, localPort } = /** @type {any} */ ({})) {
  const more = localAddress || localPort ? ` - Local (${localAddress || '0.0.0.0'}:${localPort || 0})` : '';
  return systemError(errno, 'connect', { address, port, more });
}

/**
 * @param {Socket} socket
 * @param {string} address
 * @param {number} family
 */
const isBlocked = (socket, address, family) => socket._blockList?.check(address, `ipv${family}`) ?? false;

/** @param {string} address */
const blocked = (address) => coded(Error, 'ERR_IP_BLOCKED', `IP(${address}) is blocked by net.BlockList`);

/** Several addresses, of which one after the other is tried, each but the last for a short time. */
class Attempts {
  #socket;
  #places;
  #options;
  #patience;
  /** @type {Error[]} */
  #errors = [];
  #at = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {Socket} socket
   * @param {Place[]} places
   * @param {any} options
   * @param {number} patience milliseconds
   */
  constructor(socket, places, options, patience) {
    this.#socket = socket;
    this.#places = places;
    this.#options = options;
    this.#patience = patience;
    socket.autoSelectFamilyAttemptedAddresses = [];
    const end = () => {
      clearTimeout(this.#timer);
      socket.off('connect', end).off('close', end);
    };
    socket.on('connect', end).on('close', end);
  }

  next() {
    const socket = this.#socket;
    if (!socket.connecting) return;
    const place = this.#places[this.#at];
    if (!place) return this.#giveUp();
    this.#at += 1;
    if (isBlocked(socket, place.address, place.family)) return this.#failed(blocked(place.address));
    if (this.#at > 1) socket._renewHandle();
    socket.autoSelectFamilyAttemptedAddresses.push(`${place.address}:${place.port}`);
    socket.emit('connectionAttempt', place.address, place.port, place.family);
    if (!socket.connecting) return;
    socket._tries = { ...place, options: this.#options, failed: (/** @type {Error} */ error) => this.#refused(place, error) };
    const error = begin(socket._handle, place, this.#options);
    if (error) this.#refused(place, error);
    else if (this.#at < this.#places.length) this.#wait(place);
  }

  /** @param {Place} place */
  #wait(place) {
    this.#timer = setTimeout(() => {
      const socket = this.#socket;
      if (!socket.connecting) return;
      socket.emit('connectionAttemptTimeout', place.address, place.port, place.family);
      this.#failed(connectError(ETIMEDOUT, place.address, place.port, this.#options));
    }, this.#patience);
  }

  /**
   * @param {Place} place
   * @param {Error} error
   */
  #refused({ address, port, family }, error) {
    clearTimeout(this.#timer);
    this.#socket.emit('connectionAttemptFailed', address, port, family, error);
    this.#failed(error);
  }

  /** @param {Error} error */
  #failed(error) {
    this.#errors.push(error);
    this.next();
  }

  #giveUp() {
    const all = new AggregateError(this.#errors);
    this.#socket.destroy(Object.assign(all, { code: /** @type {any} */ (this.#errors[0]).code }));
  }
}

/**
 * Connects to a Unix socket.
 * @param {Socket} socket
 * @param {string} path
 * @param {string | undefined} url nothing: there can be no such socket
 */
function connectToPath(socket, path, url) {
  expectString(path, 'options.path');
  socket._tries = { address: path, options: {} };
  const fail = (/** @type {number} */ errno) => process.nextTick(() => socket.destroy(systemError(errno, 'connect', { address: path })));
  if (url === undefined) return void fail(EINVAL);
  try {
    socket._handle.connect(url, {});
  } catch (error) {
    fail(errnoOf(error));
  }
}

module.exports = { connectError, connectToPath, lookUpAndConnect };
