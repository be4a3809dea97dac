/**
 * A connection that was taken out of the engine: its descriptor, and the bytes that the engine still had. It is `onDetach`'s, which
 * takes it by {@link toSocket} or {@link takeFd}; if neither was called when that has ended, and its promise, the descriptor is closed.
 */
export class Detached {
    /**
     * @hideconstructor
     * @param {import('../types/native.js').NativeDetached} native
     */
    constructor(native: import("../types/native.js").NativeDetached);
    /** Input that was read and not consumed: what was kept, half a frame, frames that the handler was not given. @readonly */
    readonly input: Buffer<ArrayBufferLike>;
    /** Output that the kernel did not take in the one attempt that was made. @readonly */
    readonly output: Buffer<ArrayBufferLike>;
    /**
     * The connection as a socket of Node's, which reads {@link input} first, and has {@link output} written already.
     * @param {{ allowHalfOpen?: boolean, signal?: AbortSignal }} [options] as `new net.Socket` takes them
     * @returns {Socket} which owns the descriptor
     * @throws {ReactorError} `WRONG_STATE` if it was taken before
     */
    toSocket(options?: {
        allowHalfOpen?: boolean;
        signal?: AbortSignal;
    }): Socket;
    /**
     * The descriptor, which is yours from now on, to be closed: non-blocking, and close-on-exec. The bytes are yours to read and to
     * send as well.
     * @returns {number} the descriptor
     * @throws {ReactorError} `WRONG_STATE` if it was taken before
     */
    takeFd(): number;
    /**
     * Nobody takes it any more.
     * @internal
     */
    end(): void;
    #private;
}
import { Socket } from "net";
