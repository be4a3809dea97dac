/**
 * The bytes of a log, given to the user piece by piece: copied, many at once, into memory that nobody writes to any more but the
 * user. Who takes one's memory away (`ArrayBuffer.prototype.transfer`) takes it from those before, too, but from none that comes.
 */
export class Slab {
    /**
     * @param {Buffer} bytes those of the log, which stay the package's
     * @param {number} length how many of them
     */
    constructor(bytes: Buffer, length: number);
    /**
     * The bytes of one event.
     * @param {number} first
     * @param {number} second
     * @returns {Buffer}
     */
    take(first: number, second: number): Buffer;
    /**
     * The arguments of a command, each of which has its length in front, as 32 bits in little-endian order. They share their memory.
     * @param {number} first
     * @param {number} second
     * @returns {Buffer[]}
     */
    takeArguments(first: number, second: number): Buffer[];
    /**
     * Some of the bytes for the package's own use, which no user can take away.
     * @param {number} first
     * @param {number} second
     * @returns {Buffer}
     */
    copy(first: number, second: number): Buffer;
    /**
     * @param {number} first
     * @param {number} second
     * @returns {string}
     */
    text(first: number, second: number): string;
    #private;
}
import { Buffer } from "buffer";
