// Detached connections: they go on in a socket of Node's.
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';

import { emit, thread } from './report.mjs';

/** O_NONBLOCK, in what the kernel says of a descriptor. */
const isNonblocking = (fd) => (parseInt(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/flags:\s*(\d+)/)[1], 8) & 0o4000) !== 0;

/** Sends what was left, then echoes until the end. */
export function goOn(conn, detached) {
  const { input, output } = detached;
  const fd = detached.takeFd();
  const nonblocking = isNonblocking(fd);
  emit('detach', { id: String(conn.id), input: input.toString('hex'), output: output.length, nonblocking, thread });
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on('error', () => {});
  socket.write(output);
  socket.write('detached\n');
  socket.pipe(socket);
}
