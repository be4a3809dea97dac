export type FrameSize = {
    /**
     * Bytes of the largest frame, all that it takes in the stream. A larger one ends the connection
     * with `protocol error` as soon as it is known to be larger. Default: 16 MiB.
     */
    maxFrame?: number;
};
export type Delimited = {
    /**
     * Whether frames are delivered with what ends them. A frame that is written has it already,
     * then. Default: false.
     */
    keepDelimiter?: boolean;
    /**
     * Whether what comes between the last delimiter and the peer's end of file is a frame, too,
     * unless it is empty. Default: false, it is a protocol error: nothing tells that such a frame is whole.
     */
    deliverRest?: boolean;
};
export type LengthFieldOptions = {
    /**
     * Bytes of the field, an unsigned number; or a varint as LEB128 and protobuf have it.
     * Default: 4.
     */
    width?: 1 | 2 | 3 | 4 | 8 | "varint";
    /**
     * The order of these bytes. Default: 'big', the highest first.
     */
    order?: "big" | "little";
    /**
     * Bytes in front of the field. Default: 0.
     */
    offset?: number;
    /**
     * What to add to the value to get the number of bytes behind the field: 0, the default, if the
     * value counts just these; `-(offset + width)` if it counts the whole frame.
     */
    adjustment?: number;
    /**
     * Bytes not delivered, from the front of the frame. Default: 'header', all up to the end of
     * the field.
     */
    strip?: number | "header";
};
export type RespOptions = {
    /**
     * Arguments that a command has at most, its name included. Default: 1,048,576.
     */
    maxArguments?: number;
};
/**
 * Says how many bytes the frame has in all that the input begins with, those not yet there included; or `null` if the input is too
 * short to tell.
 */
export type Measure = (input: Buffer) => number | null | undefined;
export type Measured = {
    measure: Measure;
    maxFrame: number;
};
/**
 * How a byte stream is cut into frames, each of which `onData` gets by itself: what {@link line}, {@link fixed},
 * {@link delimiter}, {@link lengthField}, {@link resp} and {@link custom} make. It never changes, and may be used any number of times.
 */
export class Framing {
    /**
     * What a function has to do with it.
     * @internal
     * @param {Framing} framing one
     * @returns {Measured | undefined} the function, and its largest frame
     */
    static measuredOf(framing: Framing): Measured | undefined;
    /**
     * @hideconstructor
     * @param {string} text as it stands in the query of a URL
     * @param {Measured} [measured] instead, of a function
     */
    constructor(text: string, measured?: Measured);
    /** As it stands in the query of a URL, behind `framing=`; where a function is one cannot stand there. @readonly */
    readonly text: string;
    /** As it stands in the query of a URL, behind `framing=`. */
    toString(): string;
    #private;
}
/**
 * A frame is as long as a function says, and delivered whole. It is asked again, from the beginning, when there is more, so a frame that
 * comes in small pieces costs the square of what it takes to tell; but no more once it has told. An error that it throws ends the
 * connection with `protocol error`, and so does a frame of no bytes. A `RangeError` means that the input is malformed; any other, and an
 * answer that is no whole number, is a failure of the function, and reported to `onError` as well. It runs where the loop does, so
 * there must be no other thread: servers of mode `'threads'` refuse it. Frames are written with `write`.
 * @param {Measure} measure says how long a frame is
 * @param {FrameSize} [options] how large one may be
 * @returns {Framing} for servers of mode `'inline'`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
export function custom(measure: Measure, options?: FrameSize): Framing;
/**
 * A frame ends before the next of the delimiters, each of one or more bytes, and is delivered without it. Of several whichever
 * is whole first counts, and of those that end with the same byte the longest. `writeFrame` writes the first.
 * @param {string | Uint8Array | readonly (string | Uint8Array)[]} delimiters one, or a list of them
 * @param {FrameSize & Delimited} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, a value out of range, and delimiters that exclude each other
 */
export function delimiter(delimiters: string | Uint8Array | readonly (string | Uint8Array)[], options?: FrameSize & Delimited): Framing;
/**
 * Every frame has so many bytes, at least one.
 * @param {number} length bytes of a frame
 * @param {FrameSize} [options] where `maxFrame` must not be less
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
export function fixed(length: number, options?: FrameSize): Framing;
/**
 * A framing as the addon takes it.
 * @param {unknown} value one, its text, a function that measures frames, or `null`
 * @param {(error: unknown) => void} failed takes what is wrong with a function
 * @returns {import('../types/native.js').Term}
 */
export function framingTerm(value: unknown, failed: (error: unknown) => void): import("../types/native.js").Term;
/**
 * A frame has a header that says how long it is. It has as many bytes as offset, width, the field's value and adjustment say
 * together.
 * @param {FrameSize & LengthFieldOptions} [options] what its header is like
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
export function lengthField(options?: FrameSize & LengthFieldOptions): Framing;
/**
 * A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of it. Where every
 * line has to end with CR LF, use `delimiter('\r\n')`.
 * @param {FrameSize & Delimited} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
export function line(options?: FrameSize & Delimited): Framing;
/**
 * A frame is a command as Redis's clients send it, whole: an array of bulk strings, or a line of words. It is told to
 * `onCommand` as the list of its arguments, of which the first is its name. What is malformed or too large is answered in
 * Redis's words, and ends the connection with `protocol error`. Answers are written with `write`.
 * @param {FrameSize & RespOptions} [options] what is not as usual
 * @returns {Framing} for `listen`, `connect` and `conn.setFraming`
 * @throws {ReactorError} `INVALID_ARGUMENT` for an unknown option, and a value out of range
 */
export function resp(options?: FrameSize & RespOptions): Framing;
