// A small peer of pg's: as much of its protocol as a query needs. Each query has a thousand rows.
'use strict';

const message = (kind, ...parts) => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)));
  const head = Buffer.alloc(5, kind);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int32 = (value) => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
const int16 = (value) => Buffer.from([value >> 8, value]);
const READY = message('Z', Buffer.from('I'));

/** Answers what has come. */
function answer(socket, data) {
  // The start has no kind in front.
  if (data[0] === 0) return socket.write(Buffer.concat([message('R', int32(0)), READY]));
  if (data[0] === 0x58) return socket.end();
  const text = data.toString('utf8', 5, data.length - 1);
  const column = message('T', int16(1), 'answer', int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0));
  socket.cork();
  socket.write(column);
  for (let at = 0; at < 1000; at += 1) {
    const value = Buffer.from(`${text} ${at}`);
    socket.write(message('D', int16(1), int32(value.length), value));
  }
  socket.write(message('C', 'SELECT 1000'));
  socket.write(READY);
  socket.uncork();
}

module.exports = { answer };
