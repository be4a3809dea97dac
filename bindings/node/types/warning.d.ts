/**
 * Tells the operator something that no callback is to blame for.
 * @param {string} message
 * @param {string} code what kind of matter it is
 */
export function tell(message: string, code: string): void;
/**
 * Reports what was thrown as a warning of the process. It never throws, neither now nor when Node prints the warning,
 * which reads properties that the error's owner may have broken.
 * @param {unknown} thrown
 * @param {string} [where] which callback threw it
 */
export function warn(thrown: unknown, where?: string): void;
