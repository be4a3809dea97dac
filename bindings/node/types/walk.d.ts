export type Slab = import("./slab.js").Slab;
/** The flag of input that a framing has cut. */
export const CUT: number;
/** The kind's part of a record's first number; the rest are flags. */
export const KIND: 65535;
/** A log that is being delivered, and where that has come to. */
export class Walk {
    /**
     * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
     * @param {number} end where the last record ends
     * @param {Slab} slab the log's bytes
     */
    constructor(words: Uint32Array, end: number, slab: Slab);
    words: Uint32Array<ArrayBufferLike>;
    end: number;
    slab: import("./slab.js").Slab;
    /** The record that comes next. */
    next: number;
    /**
     * What the input of a record takes in the stream, as it came.
     * @param {number} at
     * @returns {Buffer}
     */
    piece(at: number): Buffer;
    /**
     * Takes the input of a connection that is still to come out of the log, so that its handler is not given it.
     * @param {number} high
     * @param {number} low
     * @returns {Buffer[]} its pieces of the stream
     */
    takeInput(high: number, low: number): Buffer[];
    /**
     * Whether what is being told is told of this connection.
     * @param {number} high
     * @param {number} low
     */
    tells(high: number, low: number): boolean;
    /**
     * Whether the input of a record was taken out of the log.
     * @param {number} at
     */
    isTaken(at: number): boolean;
    #private;
}
/** @typedef {import('./slab.js').Slab} Slab */
/** How many numbers a record is. */
export const WORDS: number;
/** @param {string} name */
export function kind(name: string): number | undefined;
