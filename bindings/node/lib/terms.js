'use strict';

const { optionsOf, shown, wholeNumber, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');
const { framingTerm } = require('./framing.js');
const { SERVER_OPTIONS } = require('./options.js');
const native = require('./addon.js');

/** @typedef {import('./framing.js').Framing} Framing */
/** @typedef {import('../types/native.js').NativeOption} NativeOption */
/** @typedef {import('../types/native.js').Term} Term */

/**
 * What a connection begins with, beside what stands in the query of the URL, which wins.
 * @typedef {object} ConnOptions
 * @property {number} [idle] Milliseconds without traffic after which it is closed with `idle`; 0 for never. What the peer takes of
 *   bytes that the kernel holds for it is traffic, too. Default: never.
 * @property {number} [read] Milliseconds in which nothing came while it was read, after which it is closed with `time-out`; 0 for
 *   never. Default: never.
 * @property {number} [write] Milliseconds in which neither the kernel nor the peer took output, after which it is reset with
 *   `time-out`; 0 for never. Default: never.
 * @property {boolean} [halfOpen] Whether it goes on after the peer's end of file, which `onEof` is told. Default: false, it is closed
 *   then, once everything is answered.
 * @property {Framing | string | import('./framing.js').Measure | null} [framing] How input is cut into frames: one of `line()` and
 *   the like, or as it stands in a query; or, in mode `'inline'`, a function that measures them, as `custom` has it. Default: not
 *   at all.
 */
/**
 * What sockets of listeners and of outgoing connections have in common.
 * @typedef {object} SocketTerms
 * @property {boolean} [nodelay] Whether small writes leave at once (tcp). Default: true.
 * @property {KeepAlive} [keepalive] Whether the kernel probes silent connections (tcp). Default: false.
 * @property {number} [recvBuffer] Bytes of the kernel's receive buffer (tcp, udp). Default: the system's.
 * @property {number} [sendBuffer] Bytes of the kernel's send buffer. Default: the system's.
 * @property {string} [device] The one network interface to be reached through, or to leave by (tcp, udp). Default: all.
 * @property {boolean} [broadcast] Whether datagrams may go to broadcast addresses (udp). Default: false.
 */
/**
 * Whether, or after how many seconds of silence, a connection is probed; or in a list these, the seconds between probes, and how
 * many of them end it.
 * @typedef {boolean | number | readonly number[]} KeepAlive
 */
/**
 * @typedef {object} ListenTerms
 * @property {boolean} [reuseport] Whether several sockets share the address, among which the kernel deals out what arrives (tcp,
 *   udp). Default: false.
 * @property {number} [backlog] Connections that the kernel queues before they are accepted, above 0 (tcp, unix). Default: 4096.
 * @property {boolean} [ipv6Only] Whether an IPv6 socket leaves IPv4 alone. Default: true, unless the host is left out.
 * @property {number} [unixMode] The permission bits of a Unix socket's path, whatever the umask: `0o600`. Default: what the umask
 *   leaves.
 * @property {boolean} [shared] Whether other processes accept from the socket, too, so that a stop does not end the listening (tcp,
 *   unix). Default: true for a socket that was inherited.
 * @property {number} [datagramSize] Bytes of a datagram that are received at most (udp). Default: 65,535.
 * @property {string | readonly string[]} [multicast] Multicast groups to receive from, each `GROUP` or `GROUP@INTERFACE` (udp).
 *   Default: none.
 */
/**
 * What an outgoing or enrolled connection is told besides.
 * @typedef {object} OwnTerms
 * @property {number} [loop] The loop that it lives on, from 0. Default: each in its turn.
 * @property {unknown} [context] What `conn.context`, which is `conn.data`, is from the beginning.
 */
/**
 * @typedef {object} ConnectTerms
 * @property {number | null} [timeoutMs] Milliseconds that looking up the name and connecting may take together. Default: 30,000.
 *   `null`: for ever.
 * @property {string} [bind] The local address to connect from: `IP` or `IP:PORT` (tcp, udp). Default: the system's choice.
 */
/** @typedef {ConnOptions & SocketTerms & ConnectTerms & OwnTerms} ConnectOptions the options of an outgoing connection */
/** @typedef {ConnOptions & OwnTerms} EnrollOptions the options of an enrolled connection */
/** @typedef {ConnOptions & SocketTerms & ListenTerms} ListenOptions the options of a listener, and of its connections */

/**
 * Options of an open socket.
 * @typedef {object} SocketOptions
 * @property {boolean} [nodelay] Whether small writes leave at once (tcp).
 * @property {KeepAlive} [keepalive] Whether the kernel probes a silent connection (tcp).
 * @property {number} [recvBuffer] Bytes of the kernel's receive buffer, above 0. It caps the number and then doubles it.
 * @property {number} [sendBuffer] Bytes of the kernel's send buffer, above 0. It caps the number and then doubles it.
 * @property {number} [ttl] Hops that packets may go, 1 to 255 (tcp, udp).
 * @property {boolean} [broadcast] Whether datagrams may go to broadcast addresses (udp).
 * @property {number} [multicastTtl] Hops that multicast datagrams may go, 0 to 255 (udp).
 * @property {boolean} [multicastLoop] Whether this machine hears the multicast datagrams that it sends (udp).
 */

/** @type {NativeOption[]} */
const ROWS = native.options();
const OF_LISTENERS = ROWS.filter((row) => row.listens);

const OF_CONNECTS = ROWS.filter((row) => row.connects);
const OF_CONNS = ROWS.filter((row) => row.conns);

/** @type {readonly string[]} */
const LISTEN_OPTIONS = OF_LISTENERS.map((row) => row.member);

/** @typedef {(error: unknown) => void} Failed takes what is wrong with a function that measures frames */

/**
 * The options of a listener as the addon takes them.
 * @param {unknown} options
 * @param {Failed} failed
 * @returns {Term[]}
 */
function listenTerms(options, failed) {
  return terms(optionsOf(options, 'options', LISTEN_OPTIONS, SERVER_OPTIONS, 'new Server, or to serve'), OF_LISTENERS, failed);
}

/**
 * The options of an outgoing connection as the addon takes them, and its context.
 * @param {unknown} options
 * @param {Failed} failed
 */
function connectTerms(options, failed) {
  return outgoing(options, OF_CONNECTS, ['timeoutMs', 'loop', 'context'], failed);
}

/**
 * The same of an enrolled one.
 * @param {unknown} options
 * @param {Failed} failed
 */
function enrollTerms(options, failed) {
  return outgoing(options, OF_CONNS, ['loop', 'context'], failed);
}

/** What the addon takes for ever to be. */
const NEVER = -1;

/**
 * @param {unknown} options
 * @param {NativeOption[]} rows
 * @param {string[]} own
 * @param {Failed} failed
 */
function outgoing(options, rows, own, failed) {
  const given = optionsOf(options, 'options', [...own, ...rows.map((row) => row.member)]);
  const { timeoutMs, loop, context } = given;
  if (timeoutMs === 0) throw new ReactorError('INVALID_ARGUMENT', 'timeoutMs must be above 0, or null for ever');
  const native = {
    terms: terms(given, rows, failed),
    timeoutMs: timeoutMs === null ? NEVER : timeout(timeoutMs, 'timeoutMs'),
    ...(loop === undefined ? {} : { onLoop: wholeNumber(loop, 'loop', 2 ** 31) }),
  };
  return { native, context };
}

/**
 * @param {Record<string, unknown>} given
 * @param {NativeOption[]} rows
 * @param {Failed} failed
 * @returns {Term[]}
 */
function terms(given, rows, failed = () => {}) {
  const asked = rows.filter((row) => given[row.member] !== undefined);
  return asked.flatMap((row) => {
    const value = given[row.member];
    if (row.form === 'FRAMING') return [framingTerm(value, failed)];
    return texts(row, value).map((text) => ({ name: row.name, text }));
  });
}

/**
 * The options of open sockets, and the forms that they have.
 * @type {Record<string, { form: string, value: string }>}
 */
const OF_SOCKETS = {
  nodelay: { form: 'BOOL', value: 'true or false' },
  keepalive: { form: 'BOOL|IDLE[,INTERVAL[,COUNT]]', value: 'true, false, or seconds and a count' },
  recvBuffer: { form: 'N', value: 'a number of bytes above 0' },
  sendBuffer: { form: 'N', value: 'a number of bytes above 0' },
  ttl: { form: 'N', value: 'a number of hops' },
  broadcast: { form: 'BOOL', value: 'true or false' },
  multicastTtl: { form: 'N', value: 'a number of hops' },
  multicastLoop: { form: 'BOOL', value: 'true or false' },
};

/**
 * The options of an open socket as the addon takes them.
 * @param {unknown} options
 * @returns {Term[]}
 */
function socketOptions(options) {
  if (options === undefined) throw wrongType('options', 'an object', options);
  const given = optionsOf(options, 'options', Object.keys(OF_SOCKETS));
  const rows = Object.entries(OF_SOCKETS).map(([name, { form, value }]) => ({ name, member: name, form, value }));
  return terms(given, /** @type {NativeOption[]} */ (rows));
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {number} milliseconds, 0 for never
 */
function timeout(value = 0, what) {
  if (typeof value !== 'number') throw wrongType(what, 'a number of milliseconds', value);
  if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) return Math.ceil(value);
  throw new ReactorError('INVALID_ARGUMENT', `${what} must be a number of milliseconds, 0 for never, not ${value}`);
}

/**
 * What makes text of a value, by the form of the option.
 * @type {Record<string, (row: NativeOption, value: unknown) => string[]>}
 */
const FORMS = {
  BOOL: (row, value) => [String(typed(row, value, 'boolean'))],
  N: (row, value) => [String(typed(row, value, 'number'))],
  MS: (row, value) => [String(typed(row, value, 'number'))],
  OCTAL: (row, value) => [/** @type {number} */ (typed(row, value, 'number')).toString(8)],
  NAME: (row, value) => [String(typed(row, value, 'string'))],
  'IP[:PORT]': (row, value) => [String(typed(row, value, 'string'))],
  'BOOL|IDLE[,INTERVAL[,COUNT]]': (row, value) => [listOf(value).map((part) => keepAlive(row, part)).join()],
  'GROUP[@INTERFACE]': (row, value) => listOf(value).map((group) => String(typed(row, group, 'string'))),
};

/**
 * A value as the engine's table reads it: once, or for each of several.
 * @param {NativeOption} row
 * @param {unknown} value
 */
function texts(row, value) {
  const make = FORMS[row.form];
  if (make) return make(row, value);
  const message = `${row.member} has the form ${row.form}, which this package cannot take: it can stand in the query`;
  throw new ReactorError('INVALID_ARGUMENT', message);
}

/**
 * @param {NativeOption} row
 * @param {unknown} value
 * @param {'boolean' | 'number' | 'string'} type
 */
function typed(row, value, type) {
  if (typeof value === type) return value;
  throw wrongType(row.member, `${row.value} (a ${type})`, value);
}

/**
 * @param {NativeOption} row
 * @param {unknown} value
 */
function keepAlive(row, value) {
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  throw new TypeError(`${row.member} must be a boolean, or seconds and a count, each above 0, not ${shown(value)}`);
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
const listOf = (value) => (Array.isArray(value) ? value : [value]);

module.exports = { LISTEN_OPTIONS, connectTerms, enrollTerms, listenTerms, socketOptions, timeout };
