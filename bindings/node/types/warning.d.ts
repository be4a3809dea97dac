/**
 * Reports what was thrown as a warning of the process. It never throws, neither now nor when Node prints the warning,
 * which reads properties that the error's owner may have broken.
 * @param {unknown} thrown
 */
export function warn(thrown: unknown): void;
