/**
 * The id of a connection: opaque, and never used again in the process. It may be kept as long as you like; calls on the
 * id of a dead connection throw `CLOSED`. It is the same object for as long as the connection lives, so it may be a key of a `Map`. What
 * `structuredClone` and `postMessage` make of it is taken by every call as well, in whatever thread; but it is another object: there,
 * and as a key of an object, use its decimal string.
 */
export class ConnId {
    /**
     * The id from its decimal string. It equals the connection's own id for every call, but is another object.
     * @param {string} text what `toString` has made
     * @returns {ConnId} another object
     * @throws {ReactorError} `INVALID_ARGUMENT` if the text is not a number of 64 bits
     */
    static parse(text: string): ConnId;
    /**
     * @hideconstructor
     * @param {number} high
     * @param {number} low
     */
    constructor(high: number, low: number);
    /** The high 32 bits. @readonly */
    readonly high: number;
    /** The low 32 bits. @readonly */
    readonly low: number;
    /** The id as a decimal number. */
    toString(): string;
}
/**
 * @param {unknown} id an id, or what was cloned of one
 * @returns {ConnId}
 */
export function connId(id: unknown): ConnId;
