/** Tells what the engine reports as warnings of the process: at most one a second of a kind. */
export class Told {
    /**
     * @param {string} text
     * @param {number} [now] in milliseconds
     */
    tell(text: string, now?: number): void;
    #private;
}
