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
/**
 * @param {import('../types/native.js').Failure} failure
 * @returns {ReactorError}
 */
export function errorOf({ code, message, errno }: import("../types/native.js").Failure): ReactorError;
