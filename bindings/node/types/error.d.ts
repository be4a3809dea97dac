export type ConnId = import("./conn_id.js").ConnId;
/** An error of the engine: what kind of wrong, in words, and the system's number if there is one. */
export class ReactorError extends Error {
    /**
     * @param {string} code the kind, one of `ErrorCode`
     * @param {string} message
     * @param {{ errno?: number | null | undefined, cause?: unknown }} [more]
     */
    constructor(code: string, message: string, more?: {
        errno?: number | null | undefined;
        cause?: unknown;
    });
    /** The kind, one of {@link ErrorCode}: `ADDRESS_IN_USE`. More will come. */
    code: string;
    /**
     * The system's error number, where the system was the cause.
     * @type {number | undefined}
     */
    errno: number | undefined;
}
/** @param {ConnId} id */
export function closedError(id: ConnId): ReactorError;
/**
 * @param {import('../types/native.js').Failure} failure
 * @param {ConnId} [id] the connection that the call was about
 * @returns {ReactorError}
 */
export function errorOf({ code, message, errno }: import("../types/native.js").Failure, id?: ConnId): ReactorError;
/**
 * Whether what was thrown is the failure of a call on this connection because it is closed.
 * @param {unknown} thrown
 * @param {ConnId} id
 */
export function saysClosed(thrown: unknown, id: ConnId): boolean;
