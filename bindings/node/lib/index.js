/**
 * A multi-loop network engine: servers for protocols of your own, through callbacks.
 * @module reactor-engine
 */
'use strict';

const { Conn } = require('./conn.js');
const { ConnId } = require('./conn_id.js');
const { Action, CloseReason, ErrorCode } = require('./constants.js');
const { ReactorError } = require('./error.js');
const { Server } = require('./server.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./server.js').Options} Options */

module.exports = { Action, CloseReason, Conn, ConnId, ErrorCode, ReactorError, Server };
