'use strict';

const { optionsOf, shown, wholeNumber, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');

/**
 * The options of a server. Zero or absent means the default.
 * @typedef {object} Options
 * @property {'threads' | 'inline'} [mode] Who drives the event loops. `'threads'`: threads of their own, which accept, read, cut
 *   frames and send while JavaScript does something else; the callbacks run on the thread that made the server. `'inline'`: Node's
 *   own event loop drives one loop, on the thread that made the server, without any other thread: a message costs less
 *   altogether, but all of it is this thread's time. For more than one processor each `worker_threads` Worker has
 *   a server of its own, at one port with `reuseport=true`. Default: `'threads'`.
 * @property {number} [loops] Event loops, each on a thread of its own; inline there is one. Default: one per processor this
 *   process may use.
 * @property {'round-robin' | 'least-connections' | 'random' | 'source-hash' | 'reuseport'} [balance] How incoming connections
 *   are spread over the loops: each loop in its turn; the loop with the fewest; any; by the client's address, so that a client
 *   always meets the same loop; or one listening socket for each loop, among which the kernel deals them out. Default:
 *   'round-robin'.
 * @property {boolean} [pin] Whether each loop's thread is bound to one of the processors that this process may use; inline there
 *   is none. Default: false.
 * @property {number} [batchIntervalUs] Microseconds that a loop lets pass at least between two batches for JavaScript, at most a
 *   second. With more that comes together this thread does less for each event: at 40,000 messages a second and 100 µs less than half. What
 *   comes waits so long at most, and half of it on average, unless 1 MiB or 16,384 events are there; what is written waits for nothing.
 *   Before Linux 5.11 it is rounded up to a millisecond. Not in mode `'inline'`. Default: 0.
 * @property {number} [highWater] Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
 * @property {number} [lowWater] Bytes of unsent output at which `onDrain` is called and reading resumes. Default: half
 *   the high-water mark.
 * @property {number} [hardLimit] Bytes of unsent output that a connection may hold at most; a write beyond it throws
 *   `FULL`, and closes the connection with `overflow`. Default: 64 MiB.
 * @property {boolean} [keepOnOverflow] Whether a connection goes on when a write beyond its `hardLimit` was refused.
 *   Default: false.
 * @property {number | null} [byteBudget] Bytes of memory that the whole server may hold for unsent output and unfinished input. A
 *   write that would go beyond it throws `FULL` and closes nothing, unless its connection holds no more than a share with it:
 *   half of the budget divided by the number of connections that hold something. Above the budget, of those who hold more
 *   than a share the one that moved the fewest bytes per byte held in the last 5 seconds is closed with `overflow`, and so
 *   on. Default: a quarter of the memory that this process may use. `null`: no budget.
 * @property {number} [readBudget] Bytes read from one connection in one turn, at most 1 GiB. Default: 256 KiB.
 * @property {number | null} [lingerMs] Milliseconds that a connection closed by this side waits for the peer to close too.
 *   Default: 2000. `null`: it does not wait.
 * @property {number} [stallLimitMs] Milliseconds that a connection that is being closed, or whose peer has ended its side,
 *   waits for a peer that takes nothing of what is queued, at most an hour. Bytes that leave the kernel's queue count as
 *   taken. Then it is reset, with `time-out`. Default: 30,000.
 * @property {number} [maxConnections] Incoming connections that may be open at once; further ones are closed without a
 *   callback. Default: no limit.
 * @property {number} [maxConnectionsPerAddress] The same for each client address. Unix sockets do not count. Default: no limit.
 * @property {number} [stopDeadlineMs] Milliseconds that a graceful stop waits for the connections to finish if it does not say
 *   itself, at most an hour. Default: 30,000.
 * @property {'adaptive' | 'never'} [look] Whether a busy loop polls for a moment before it sleeps, where trials show that it
 *   brings the loop more work. Default: 'adaptive'.
 * @property {'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace'} [logLevel] From which level on `onLog` is told what the
 *   engine says. Errors are what an operator must know, each kind at most once a second; what is below them is for debugging,
 *   and costs time. Default: 'error', which without `onLog` become warnings of the process.
 */

const SAFE = Number.MAX_SAFE_INTEGER;
/** An hour, and more: the engine says what is too long. */
const LONG = 2 ** 31;
/**
 * The whole numbers, and their greatest values.
 * @type {Record<string, number>}
 */
const NUMBERS = {
  loops: SAFE,
  batchIntervalUs: 1e6,
  highWater: SAFE,
  lowWater: SAFE,
  hardLimit: SAFE,
  byteBudget: SAFE,
  readBudget: 2 ** 30,
  lingerMs: LONG,
  stallLimitMs: LONG,
  maxConnections: SAFE,
  maxConnectionsPerAddress: SAFE,
  stopDeadlineMs: LONG,
};
/** Those of them that can be switched off. */
const CAN_BE_NONE = ['byteBudget', 'lingerMs'];
/** What the addon takes for that. */
const NONE = -1;
const SWITCHES = ['pin', 'keepOnOverflow'];
/** Names, with their defaults. The engine knows which there are. */
const CHOICES = { balance: 'round-robin', look: 'adaptive', logLevel: 'error' };

/** Who drives the loops: the package's own affair. */
const MODES = ['threads', 'inline'];

/** The names of all options of a server. */
const SERVER_OPTIONS = ['mode', ...Object.keys(NUMBERS), ...SWITCHES, ...Object.keys(CHOICES)];

/**
 * The options as the addon takes them.
 * @param {Options | undefined} options
 * @param {readonly string[]} ofListeners the options that `listen` has
 * @returns {Omit<import('../types/native.js').NativeOptions, 'commands'>}
 */
function checkedOptions(options, ofListeners) {
  const given = optionsOf(options, 'options', SERVER_OPTIONS, ofListeners, 'listen, or to serve');
  const checked = [
    ...Object.keys(NUMBERS).map((name) => [name, number(given[name], name)]),
    ...SWITCHES.map((name) => [name, boolean(given[name] ?? false, name)]),
    ...Object.entries(CHOICES).map(([name, usual]) => [name, text(given[name] ?? usual, name)]),
  ];
  return /** @type {any} */ (driven(Object.fromEntries(checked), text(given['mode'] ?? 'threads', 'mode')));
}

/**
 * The options with who drives the loops.
 * @param {Record<string, unknown>} checked
 * @param {string} mode
 */
function driven(checked, mode) {
  if (!MODES.includes(mode)) throw invalid(`mode must be ${MODES.map(shown).join(' or ')}, not ${shown(mode)}`);
  if (mode === 'threads') return { ...checked, isInline: false };
  if (Number(checked['loops']) > 1) throw invalid(`a server of mode 'inline' has one loop, not ${checked['loops']}`);
  if (checked['batchIntervalUs']) throw invalid("a server of mode 'inline' has no batches that batchIntervalUs could keep apart");
  if (checked['pin']) throw invalid("a server of mode 'inline' has no thread to pin");
  if (process.versions['bun'] === undefined) return { ...checked, loops: 1, isInline: true };
  // What it exports by libuv's names ends the process.
  throw new ReactorError('UNSUPPORTED', "mode 'inline' needs libuv, which Bun has not: use mode 'threads'");
}

/** @param {string} message */
const invalid = (message) => new ReactorError('INVALID_ARGUMENT', message);

/**
 * @param {unknown} value
 * @param {string} name
 */
function number(value, name) {
  return value === null && CAN_BE_NONE.includes(name) ? NONE : wholeNumber(value, name, NUMBERS[name] ?? SAFE);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {boolean}
 */
function boolean(value, what) {
  if (typeof value === 'boolean') return value;
  throw wrongType(what, 'a boolean', value);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {string}
 */
function text(value, what) {
  if (typeof value === 'string') return value;
  throw wrongType(what, 'a string', value);
}

module.exports = { SERVER_OPTIONS, boolean, checkedOptions, text };
