// Sends back every byte, and closes when the peer has closed its side and everything has been sent.
//
// node echo.mjs --listen URL [--listen URL]... [--loops N]
import { parse, serve } from './launch.mjs';

/** @type {import('reactor-engine').Handler} */
const handler = {
  onData(conn, data) {
    // A write above the high-water mark needs no care here: the engine stops reading from this connection until the
    // peer has caught up.
    conn.write(data);
  },
};

await serve(handler, parse({}));
