/**
 * what can be read of a connection
 */
export type ConnInfo = import("./conn.js").ConnInfo;
/**
 * who is at the other end of a Unix connection
 */
export type Credentials = import("./conn.js").Credentials;
/**
 * says how many bytes a frame has
 */
export type Measure = import("./framing.js").Measure;
/**
 * the callbacks of a server
 */
export type Handler = import("./handler.js").Handler;
/**
 * how much an operator must know of it
 */
export type LogLevel = import("./handler.js").LogLevel;
/**
 * what happened in a server, or on one of its loops
 */
export type Metrics = import("./metrics.js").Metrics;
/**
 * the options of a server
 */
export type Options = import("./options.js").Options;
/**
 * the options of `serve`: those of the server, and those of its listeners
 */
export type ServeOptions = import("./serve.js").ServeOptions;
/**
 * a listener that is open
 */
export type Listener = import("./server.js").Listener;
/**
 * what a connection begins with
 */
export type ConnOptions = import("./terms.js").ConnOptions;
/**
 * the options of an outgoing connection
 */
export type ConnectOptions = import("./terms.js").ConnectOptions;
/**
 * the options of an enrolled connection
 */
export type EnrollOptions = import("./terms.js").EnrollOptions;
/**
 * the options of a listener, and of its connections
 */
export type ListenOptions = import("./terms.js").ListenOptions;
/**
 * options of an open socket
 */
export type SocketOptions = import("./terms.js").SocketOptions;
/**
 * what a callback may return
 */
export type Answer = import("./handler.js").Answer;
/**
 * is told how a write ended
 */
export type Written = import("./conn.js").Written;
/**
 * how large a frame may be
 */
export type FrameSize = import("./framing.js").FrameSize;
/**
 * the options of lines, and of other delimiters
 */
export type Delimited = import("./framing.js").Delimited;
/**
 * what a header with a length is like
 */
export type LengthFieldOptions = import("./framing.js").LengthFieldOptions;
/**
 * the limits of Redis's commands
 */
export type RespOptions = import("./framing.js").RespOptions;
/**
 * whether, and how, the kernel probes silent connections
 */
export type KeepAlive = import("./terms.js").KeepAlive;
import { Action } from "./constants.js";
import { CloseReason } from "./constants.js";
import { Conn } from "./conn.js";
import { ConnId } from "./conn_id.js";
import { Datagram } from "./datagram.js";
import { Detached } from "./detached.js";
import { ErrorCode } from "./constants.js";
import { Framing } from "./framing.js";
import { Histogram } from "./metrics.js";
import { ReactorError } from "./error.js";
import { Server } from "./server.js";
import { ServerHandle } from "./server_handle.js";
import { Timer } from "./timer.js";
import { custom } from "./framing.js";
import { delimiter } from "./framing.js";
import { fixed } from "./framing.js";
import { lengthField } from "./framing.js";
import { line } from "./framing.js";
import { resp } from "./framing.js";
import { serve } from "./serve.js";
export { Action, CloseReason, Conn, ConnId, Datagram, Detached, ErrorCode, Framing, Histogram, ReactorError, Server, ServerHandle, Timer, custom, delimiter, fixed, lengthField, line, resp, serve };
