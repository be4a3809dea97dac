/**
 * Gives memory back after a burst (D5). The buffers of the batches are garbage by then, which V8 would keep while nothing
 * new is allocated. One timer, only after a burst, that does not keep the process alive.
 */
export class Relief {
    /** @param {number} bytes */
    handedOver(bytes: number): void;
    /** Forgets the burst. */
    end(): void;
    #private;
}
