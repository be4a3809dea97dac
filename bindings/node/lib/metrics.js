'use strict';

const { CloseReason } = require('./constants.js');
const native = require('./addon.js');

/**
 * What a loop, or all loops of a server together, did since the start. Counters only grow; `connections` and `queuedBytes`
 * say how it is now. Numbers are read one after the other while the loops go on, so two of them may be some events apart.
 * @typedef {object} Metrics
 * @property {number} accepted Connections accepted from listeners.
 * @property {number} connected Outgoing connections established.
 * @property {number} enrolled Connections taken over by their descriptor.
 * @property {number} refusedByTotal Connections refused because the server held `maxConnections`.
 * @property {number} refusedByAddress Connections refused because their address held as many as one address may.
 * @property {number} acceptErrors Calls to accept that failed, other than for want of a waiting connection.
 * @property {number} bytesRead Bytes received from streams and in datagrams.
 * @property {number} bytesWritten Bytes that the kernel took, of streams and of datagrams.
 * @property {number} messagesRead Pieces of input, frames and commands that were delivered.
 * @property {number} messagesWritten Writes by the user that were accepted.
 * @property {number} datagramsRead Datagrams received.
 * @property {number} datagramsWritten Datagrams that the kernel took.
 * @property {number} datagramsDropped Datagrams given up unsent, because the queue was full or the kernel refused them.
 * @property {number} datagramsTruncated Datagrams received that did not fit the buffer and lost their end.
 * @property {number} polls System calls that waited for or asked after events.
 * @property {number} reads System calls that read, successful or not.
 * @property {number} writes System calls that wrote, successful or not.
 * @property {number} accepts System calls that accepted, successful or not.
 * @property {number} otherCalls System calls of any other kind that the engine made while it ran.
 * @property {number} wakeups Times that another thread woke the loop: one, however many wakes came together.
 * @property {number} turns Turns of the loop.
 * @property {number} timersFired Timers of the engine's that fired, which are its time-outs.
 * @property {number} callbackNanosSampled Nanoseconds that the sampled turns took from the poller's return until what they read
 *   was gathered.
 * @property {number} turnsSampled Turns that were measured so.
 * @property {number} lingerExpired Closed connections that the linger limit ended, before the peer did.
 * @property {number} readsPausedByBudget Always 0.
 * @property {number} connections Connections that are open now.
 * @property {number} queuedBytes Bytes of output that wait to be sent now.
 * @property {Partial<Record<import('./constants.js').CloseReason, number>>} closed Connections that ended, by reason, without those
 *   reasons for which none did. Failed outgoing connections count.
 * @property {Histogram} delay Delays from the moment the poller reported a connection until its input was gathered for JavaScript,
 *   in the turns that were sampled.
 */

/** Delays in magnitudes: how many there were, of which length, and below which most of them were. */
class Histogram {
  /**
   * @hideconstructor
   * @param {readonly number[]} buckets
   */
  constructor(buckets) {
    /**
     * How many delays each magnitude has: the first those of 0 and 1 nanoseconds, and the one at index n those from 2 ** n to
     * 2 ** (n + 1) - 1 nanoseconds.
     * @readonly
     */
    this.buckets = Object.freeze([...buckets]);
    /** How many delays were counted. @readonly */
    this.count = buckets.reduce((sum, count) => sum + count, 0);
    Object.freeze(this);
  }

  /**
   * A delay, in milliseconds, that at least the fraction `q` of all did not exceed: `percentile(0.99)`. It is the upper bound of
   * a magnitude, so up to twice the true one. A `q` outside 0 to 1 counts as the nearer of the two. 0 if nothing was counted.
   * @param {number} q from 0 to 1
   * @returns {number} milliseconds
   */
  percentile(q) {
    const rank = Math.max(1, Math.ceil(this.count * Math.min(1, Math.max(0, q))));
    let counted = 0;
    const at = this.buckets.findIndex((count) => (counted += count) >= rank);
    return at < 0 ? 0 : (2 ** (at + 1) - 1) / 1e6;
  }
}

/** @type {readonly string[]} */
const COUNTERS = native.counters().map((name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()));
const REASONS = Object.values(CloseReason);
/** The place of each reason's count. */
const PLACES = new Map(native.closeReasons().map(({ number, name }) => [name, number]));

/**
 * @param {import('../types/native.js').NativeMetrics} snapshot
 * @returns {Metrics}
 */
function metricsOf({ plain, closed, delay }) {
  const ended = REASONS.map((reason) => [reason, closed[PLACES.get(reason) ?? 0]]).filter(([, count]) => count !== 0);
  const counters = Object.fromEntries(COUNTERS.map((name, place) => [name, plain[place]]));
  return /** @type {any} */ ({ ...counters, closed: Object.fromEntries(ended), delay: new Histogram(delay) });
}

module.exports = { COUNTERS, Histogram, metricsOf };
