/** What is remembered of a server until it is started. It has no part in the server, which the collector may take. */
export class Unstarted {
    /** @param {string} address that the server listens at */
    listens(address: string): void;
    /** It was started, or is not to be. */
    end(): void;
}
