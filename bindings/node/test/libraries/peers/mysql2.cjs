// What a server of mysql2's does with a connection: each query has a thousand rows.
'use strict';

/** Takes part in a connection. */
function attend(conn) {
  conn.serverHandshake({
    protocolVersion: 10,
    serverVersion: 'test',
    connectionId: 1,
    statusFlags: 2,
    characterSet: 8,
    capabilityFlags: 0xffffff & ~0x800,
    authCallback(_, done) {
      done(null, undefined);
      conn.sequenceId = 0;
    },
  });
  conn.on('query', (text) => {
    const column = { catalog: 'def', schema: 's', table: 't', orgTable: 't', name: 'answer', orgName: 'answer', characterSet: 33, columnLength: 1 << 20, columnType: 253, flags: 0, decimals: 0 };
    // The query was packet 0 of its exchange, as each is.
    conn.sequenceId = 1;
    conn.writeColumns([column]);
    for (let at = 0; at < 1000; at += 1) conn.writeTextRow([`${text} ${at}`]);
    conn.writeEof();
    conn.sequenceId = 0;
  });
  conn.on('error', () => {});
}

module.exports = { attend };
