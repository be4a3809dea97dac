/**
 * A multi-loop network engine: servers for protocols of your own, through callbacks.
 * @module reactor-engine
 */
'use strict';

const { Conn } = require('./conn.js');
const { ConnId } = require('./conn_id.js');
const { Action, CloseReason, ErrorCode } = require('./constants.js');
const { Datagram } = require('./datagram.js');
const { ReactorError } = require('./error.js');
const { Framing, delimiter, fixed, lengthField, line, resp } = require('./framing.js');
const { Histogram } = require('./metrics.js');
const { serve } = require('./serve.js');
const { Server } = require('./server.js');
const { Timer } = require('./timer.js');

/** @typedef {import('./conn.js').ConnInfo} ConnInfo */
/** @typedef {import('./conn.js').Credentials} Credentials */
/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./handler.js').LogLevel} LogLevel */
/** @typedef {import('./metrics.js').Metrics} Metrics */
/** @typedef {import('./options.js').Options} Options */
/** @typedef {import('./serve.js').ServeOptions} ServeOptions */
/** @typedef {import('./server.js').Listener} Listener */
/** @typedef {import('./terms.js').ConnOptions} ConnOptions */
/** @typedef {import('./terms.js').ConnectOptions} ConnectOptions */
/** @typedef {import('./terms.js').EnrollOptions} EnrollOptions */
/** @typedef {import('./terms.js').ListenOptions} ListenOptions */
/** @typedef {import('./terms.js').SocketOptions} SocketOptions */

module.exports = {
  Action,
  CloseReason,
  Conn,
  ConnId,
  Datagram,
  ErrorCode,
  Framing,
  Histogram,
  ReactorError,
  Server,
  Timer,
  delimiter,
  fixed,
  lengthField,
  line,
  resp,
  serve,
};
