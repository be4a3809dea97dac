/**
 * What console.log shows of an object whose state is the engine's. It is an object, so that Node sees to its depth and to circles.
 * @param {string} name of its class
 * @param {Record<string, unknown>} fields
 * @returns {object}
 */
export function inspected(name: string, fields: Record<string, unknown>): object;
