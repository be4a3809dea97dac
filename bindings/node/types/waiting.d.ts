/**
 * bytes, the arguments of a command, or the end
 */
export type Input = Buffer | Buffer[] | null;
/**
 * Input that came with others in one batch and waits, what gives it to the handler, and what it takes in the stream.
 */
export type Waiter = {
    input: Input;
    give: (input: Input) => void;
    piece: Buffer | undefined;
};
/** Input that waits for the handler, in order. There may be very much of it: an array's own `shift` moves all that is left each time. */
export class Waiting {
    get length(): number;
    /** @returns {Waiter | undefined} */
    get first(): Waiter | undefined;
    /** @param {Waiter} waiter */
    push(waiter: Waiter): void;
    /** @returns {Waiter | undefined} */
    shift(): Waiter | undefined;
    /**
     * Takes out what came of the stream.
     * @returns {Buffer[]} as it came
     */
    takePieces(): Buffer[];
    clear(): void;
    #private;
}
