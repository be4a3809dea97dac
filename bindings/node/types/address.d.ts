/**
 * One end of a connection.
 */
export type End = {
    address: string;
    port: number | undefined;
    family: "IPv4" | "IPv6" | "Unix";
};
/**
 * An address from the engine's text.
 * @param {string} text `127.0.0.1:5000`, `[::1]:5000`, `/run/x.sock`, `@name`, or nothing for an unnamed Unix socket
 * @returns {End}
 */
export function endOf(text: string): End;
