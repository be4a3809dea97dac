/**
 * The name and the text of a number of the system's, if it has such a one.
 * @param {number} errno above 0
 * @returns {readonly string[] | undefined}
 */
export function nameAndText(errno: number): readonly string[] | undefined;
