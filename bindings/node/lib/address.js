'use strict';

/**
 * One end of a connection.
 * @typedef {{ address: string, port: number | undefined, family: 'IPv4' | 'IPv6' | 'Unix' }} End
 */

const IPV4 = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/;
const IPV6 = /^\[(.+)\]:(\d+)$/;

/**
 * An address from the engine's text.
 * @param {string} text `127.0.0.1:5000`, `[::1]:5000`, `/run/x.sock`, `@name`, or nothing for an unnamed Unix socket
 * @returns {End}
 */
function endOf(text) {
  const family = IPV4.test(text) ? 'IPv4' : 'IPv6';
  const [, address, port] = text.match(IPV4) ?? text.match(IPV6) ?? [];
  if (address === undefined) return { address: text, port: undefined, family: 'Unix' };
  return { address, port: Number(port), family };
}

module.exports = { endOf };
