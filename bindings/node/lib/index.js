/**
 * A multi-loop network engine: servers for protocols of your own, through callbacks.
 * @module reactor-engine
 */
'use strict';

const { Conn } = require('./conn.js');
const { ConnId } = require('./conn_id.js');
const { Action, CloseReason, ErrorCode } = require('./constants.js');
const { Datagram } = require('./datagram.js');
const { Detached } = require('./detached.js');
const { ReactorError } = require('./error.js');
const { Framing, custom, delimiter, fixed, lengthField, line, resp } = require('./framing.js');
const { Histogram } = require('./metrics.js');
const { serve } = require('./serve.js');
const { Server } = require('./server.js');
const { ServerHandle } = require('./server_handle.js');
const { Timer } = require('./timer.js');

/** @typedef {import('./conn.js').ConnInfo} ConnInfo what can be read of a connection */
/** @typedef {import('./conn.js').Credentials} Credentials who is at the other end of a Unix connection */
/** @typedef {import('./framing.js').Measure} Measure says how many bytes a frame has */
/** @typedef {import('./handler.js').Handler} Handler the callbacks of a server */
/** @typedef {import('./handler.js').LogLevel} LogLevel how much an operator must know of it */
/** @typedef {import('./metrics.js').Metrics} Metrics what happened in a server, or on one of its loops */
/** @typedef {import('./options.js').Options} Options the options of a server */
/** @typedef {import('./serve.js').ServeOptions} ServeOptions the options of `serve`: those of the server, and those of its listeners */
/** @typedef {import('./server.js').Listener} Listener a listener that is open */
/** @typedef {import('./terms.js').ConnOptions} ConnOptions what a connection begins with */
/** @typedef {import('./terms.js').ConnectOptions} ConnectOptions the options of an outgoing connection */
/** @typedef {import('./terms.js').EnrollOptions} EnrollOptions the options of an enrolled connection */
/** @typedef {import('./terms.js').ListenOptions} ListenOptions the options of a listener, and of its connections */
/** @typedef {import('./terms.js').SocketOptions} SocketOptions options of an open socket */
/** @typedef {import('./handler.js').Answer} Answer what a callback may return */
/** @typedef {import('./conn.js').Written} Written is told how a write ended */
/** @typedef {import('./framing.js').FrameSize} FrameSize how large a frame may be */
/** @typedef {import('./framing.js').Delimited} Delimited the options of lines, and of other delimiters */
/** @typedef {import('./framing.js').LengthFieldOptions} LengthFieldOptions what a header with a length is like */
/** @typedef {import('./framing.js').RespOptions} RespOptions the limits of Redis's commands */
/** @typedef {import('./terms.js').KeepAlive} KeepAlive whether, and how, the kernel probes silent connections */

module.exports = {
  Action,
  CloseReason,
  Conn,
  ConnId,
  Datagram,
  Detached,
  ErrorCode,
  Framing,
  Histogram,
  ReactorError,
  Server,
  ServerHandle,
  Timer,
  custom,
  delimiter,
  fixed,
  lengthField,
  line,
  resp,
  serve,
};
