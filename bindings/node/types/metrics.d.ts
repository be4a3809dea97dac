/**
 * What a loop, or all loops of a server together, did since the start. Counters only grow; `connections` and `queuedBytes`
 * say how it is now. Numbers are read one after the other while the loops go on, so two of them may be some events apart.
 */
export type Metrics = {
    /**
     * Connections accepted from listeners.
     */
    accepted: number;
    /**
     * Outgoing connections established.
     */
    connected: number;
    /**
     * Connections taken over by their descriptor.
     */
    enrolled: number;
    /**
     * Connections refused because the server held `maxConnections`.
     */
    refusedByTotal: number;
    /**
     * Connections refused because their address held as many as one address may.
     */
    refusedByAddress: number;
    /**
     * Calls to accept that failed, other than for want of a waiting connection.
     */
    acceptErrors: number;
    /**
     * Bytes received from streams and in datagrams.
     */
    bytesRead: number;
    /**
     * Bytes that the kernel took, of streams and of datagrams.
     */
    bytesWritten: number;
    /**
     * Pieces of input, frames and commands that were delivered.
     */
    messagesRead: number;
    /**
     * Writes by the user that were accepted.
     */
    messagesWritten: number;
    /**
     * Datagrams received.
     */
    datagramsRead: number;
    /**
     * Datagrams that the kernel took.
     */
    datagramsWritten: number;
    /**
     * Datagrams given up unsent, because the queue was full or the kernel refused them.
     */
    datagramsDropped: number;
    /**
     * Datagrams received that did not fit the buffer and lost their end.
     */
    datagramsTruncated: number;
    /**
     * System calls that waited for or asked after events.
     */
    polls: number;
    /**
     * System calls that read, successful or not.
     */
    reads: number;
    /**
     * System calls that wrote, successful or not.
     */
    writes: number;
    /**
     * System calls that accepted, successful or not.
     */
    accepts: number;
    /**
     * System calls of any other kind that the engine made while it ran.
     */
    otherCalls: number;
    /**
     * Times that another thread woke the loop: one, however many wakes came together.
     */
    wakeups: number;
    /**
     * Turns of the loop.
     */
    turns: number;
    /**
     * Timers of the engine's that fired, which are its time-outs.
     */
    timersFired: number;
    /**
     * Nanoseconds that the sampled turns took from the poller's return until what they read
     * was gathered.
     */
    callbackNanosSampled: number;
    /**
     * Turns that were measured so.
     */
    turnsSampled: number;
    /**
     * Closed connections that the linger limit ended, before the peer did.
     */
    lingerExpired: number;
    /**
     * Always 0.
     */
    readsPausedByBudget: number;
    /**
     * Connections that are open now.
     */
    connections: number;
    /**
     * Bytes of output that wait to be sent now.
     */
    queuedBytes: number;
    /**
     * Connections that ended, by reason, without those
     * reasons for which none did. Failed outgoing connections count.
     */
    closed: Partial<Record<any, number>>;
    /**
     * Delays from the moment the poller reported a connection until its input was gathered for JavaScript,
     * in the turns that were sampled.
     */
    delay: Histogram;
};
/** @type {readonly string[]} */
export const COUNTERS: readonly string[];
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
export class Histogram {
    /**
     * @hideconstructor
     * @param {readonly number[]} buckets
     */
    constructor(buckets: readonly number[]);
    /**
     * How many delays each magnitude has: the first those of 0 and 1 nanoseconds, and the one at index n those from 2 ** n to
     * 2 ** (n + 1) - 1 nanoseconds.
     * @readonly
     */
    readonly buckets: readonly number[];
    /** How many delays were counted. @readonly */
    readonly count: number;
    /**
     * A delay, in milliseconds, that at least the fraction `q` of all did not exceed: `percentile(0.99)`. It is the upper bound of
     * a magnitude, so up to twice the true one. A `q` outside 0 to 1 counts as the nearer of the two. 0 if nothing was counted.
     * @param {number} q from 0 to 1
     * @returns {number} milliseconds
     */
    percentile(q: number): number;
}
/**
 * @param {import('../types/native.js').NativeMetrics} snapshot
 * @returns {Metrics}
 */
export function metricsOf({ plain, closed, delay }: import("../types/native.js").NativeMetrics): Metrics;
