/** Calls `onTick` as soon as the loops run, and again after as many milliseconds as it has answered. */
export class Ticker {
    /** @param {() => Promise<{ answer?: unknown }>} call calls it; without an answer it has failed */
    constructor(call: () => Promise<{
        answer?: unknown;
    }>);
    end(): void;
    #private;
}
/** A timer, as `setTimer` makes it. It does not keep the process alive: its server does. */
export class Timer {
    /**
     * @hideconstructor
     * @param {number} delay
     * @param {number} repeat
     * @param {(timer: Timer) => void} due
     * @param {(timer: Timer) => void} [ended]
     */
    constructor(delay: number, repeat: number, due: (timer: Timer) => void, ended?: (timer: Timer) => void);
    /** The timer's number: never 0, and never used again on this thread. @readonly */
    readonly id: number;
    /**
     * Ends it.
     * @returns {boolean} whether there was something to end: false if it was due before, or has ended with its connection
     */
    cancel(): boolean;
    #private;
}
/**
 * @param {unknown} value
 * @param {string} what
 * @returns {number}
 */
export function milliseconds(value: unknown, what: string): number;
/**
 * The milliseconds to the next tick; `null` for none.
 * @param {unknown} answer
 * @returns {number | null}
 */
export function nextTick(answer: unknown): number | null;
