/**
 * What was thrown, as an error. It never throws, though what was thrown may be a proxy whose traps do. An error of another
 * realm, as test runners make them, is one.
 * @param {unknown} thrown
 * @returns {Error}
 */
export function asError(thrown: unknown): Error;
/**
 * The bytes of what is to be written: strings become UTF-8.
 * @param {NodeJS.ArrayBufferView | string} data
 * @returns {Uint8Array}
 */
export function bytesOf(data: NodeJS.ArrayBufferView | string): Uint8Array;
/**
 * @template Callback
 * @param {Callback} callback
 * @returns {Callback}
 */
export function callbackOf<Callback>(callback: Callback): Callback;
/**
 * Where it was thrown: the lines of its stack with file and line; empty if they cannot be read. It never throws.
 * @param {unknown} thrown
 * @returns {string}
 */
export function framesOf(thrown: unknown): string;
/**
 * The message of what was thrown. It never throws, and is always a string.
 * @param {unknown} thrown
 * @returns {string}
 */
export function messageOf(thrown: unknown): string;
/**
 * Takes the frames off an error about a value: they would tell where we found it, and not where it comes from.
 * @template {Error} Made
 * @param {Made} error
 * @returns {Made}
 */
export function nowhere<Made extends Error>(error: Made): Made;
/**
 * @param {unknown} value
 * @param {string} what
 * @param {readonly string[]} known
 * @param {readonly string[]} [others] that are given elsewhere
 * @param {string} [where] that is
 * @returns {Record<string, unknown>}
 */
export function optionsOf(value: unknown, what: string, known: readonly string[], others?: readonly string[], where?: string): Record<string, unknown>;
/**
 * A list of the package's own, whatever the list's class makes of itself: the addon reads it with no code of anybody's in between.
 * @param {readonly (NodeJS.ArrayBufferView | string)[]} parts
 * @returns {Uint8Array[]}
 */
export function partsOf(parts: readonly (NodeJS.ArrayBufferView | string)[]): Uint8Array[];
/**
 * An argument that cannot be left out.
 * @template Given
 * @param {Given | undefined} value
 * @param {string} what
 * @param {string} expected
 * @returns {Given}
 */
export function required<Given>(value: Given | undefined, what: string, expected: string): Given;
/**
 * A value in an error message, short and without running code of its owner.
 * @param {unknown} value
 */
export function shown(value: unknown): string;
/**
 * @param {unknown} value
 * @param {string} what
 * @param {number} most
 * @returns {number}
 */
export function wholeNumber(value: unknown, what: string, most: number): number;
/**
 * @param {string} what
 * @param {string} expected
 * @param {unknown} given
 */
export function wrongType(what: string, expected: string, given: unknown): TypeError;
