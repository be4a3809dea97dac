/**
 * Gives memory back after a burst (D5). The buffers of the logs are garbage by then, which V8 would keep while nothing
 * new is allocated; and the allocator keeps what the copies of written bytes took. One timer, only after a burst, that does not keep the process alive.
 */
export class Relief {
    /** @param {number} bytes that came in or were written */
    moved(bytes: number): void;
    /** Forgets the burst. */
    end(): void;
    #private;
}
