/** What its connections have instead of a scope. */
export const NO_SCOPE: Scope;
/**
 * An asynchronous context of its own: it begins as the one that it is made in, and what functions that run in it enter
 * is seen by those that run in it later, and by no other.
 */
export class Scope {
    /**
     * Runs a function in it.
     * @template {unknown[]} Arguments
     * @template Result
     * @param {unknown} self its `this`
     * @param {(...args: Arguments) => Result} call
     * @param {Arguments} args
     * @returns {Result}
     */
    run<Arguments extends unknown[], Result>(self: unknown, call: (...args: Arguments) => Result, ...args: Arguments): Result;
    /** Another one, that begins as this one is. */
    fork(): Scope;
    #private;
}
/** What a handler has that looks after contexts itself, as those of this package may. */
export const UNSCOPED: unique symbol;
