// Where servers listen and sockets connect to, as the engine's URLs.
'use strict';

const { isIP } = require('node:net');

/** The longest path of a Unix socket that the kernel takes. */
const LONGEST = 107;

/**
 * @param {string} address an IP address
 * @param {number} port
 */
const tcpUrl = (address, port) => (isIP(address) === 6 ? `tcp6://[${address}]:${port}` : `tcp4://${address}:${port}`);

/**
 * @param {string} path of a file, or behind a NUL a name
 * @returns {string | undefined} nothing for a path that no socket can have
 */
function unixUrl(path) {
  const bytes = Buffer.byteLength(path);
  if (path.startsWith('\0')) return bytes > LONGEST + 1 || path.includes('\0', 1) ? undefined : `unix://@${escaped(path.slice(1))}`;
  if (bytes > LONGEST || path.includes('\0')) return undefined;
  // What begins so would be a name.
  return `unix://${escaped(path.startsWith('@') ? `./${path}` : path)}`;
}

/** @param {string} path */
const escaped = (path) => path.replace(/[%?#]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

module.exports = { tcpUrl, unixUrl };
