/**
 * `node:net` upon the engine: the same functions, classes, events and errors. One engine drives all servers and sockets of a thread.
 * @module reactor-engine/net
 */
'use strict';

const { BlockList, SocketAddress, isIP, isIPv4, isIPv6 } = require('node:net');

const { normalized } = require('./arguments.js');
const { setEngineMode } = require('./engine.js');
const { Server, createServer } = require('./server.js');
const { Socket, connect } = require('./socket.js');
const {
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
} = require('./defaults.js');

const _normalizeArgs = (/** @type {any[]} */ args) => normalized(args);

// Names alone: only so does Node find what `import { connect }` asks for.
module.exports = {
  BlockList,
  Server,
  Socket,
  SocketAddress,
  Stream: Socket,
  _normalizeArgs,
  connect,
  createConnection: connect,
  createServer,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  setEngineMode,
};
