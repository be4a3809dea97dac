// Rooms in which people talk: node room.mjs [URL]...
//
// Each message has two bytes of length in front. The first is `HELLO name`. Then `JOIN room` enters a room, and anything else is
// said to everybody in it. Who says nothing for 30 seconds, or more than 500 bytes at once, is closed.
import { lengthField, serve } from 'reactor-engine';

/** @typedef {import('reactor-engine').Conn} Conn */

const ROOM_LIMIT = 8;
const LONGEST = 500;

/** @type {Map<string, Set<Conn>>} */
const rooms = new Map();

/**
 * @param {Iterable<Conn>} conns
 * @param {string} text
 */
function tell(conns, text) {
  for (const conn of conns) {
    try {
      conn.writeFrame(Buffer.from(text, 'latin1'));
    } catch {
      // One that is leaving, or does not read what it is told: the engine closes that.
    }
  }
}

/** @param {string} room */
const inside = (room) => rooms.get(room) ?? new Set();

/**
 * @param {Conn} conn
 * @param {string} room
 */
function join(conn, room) {
  if (inside(room).size >= ROOM_LIMIT) return tell([conn], `FULL ${room}`);
  leave(conn);
  conn.context.room = room;
  rooms.set(room, inside(room).add(conn));
  tell(inside(room), `+ ${conn.context.name}`);
}

/** @param {Conn} conn */
function leave(conn) {
  const { name, room } = conn.context;
  inside(room).delete(conn);
  tell(inside(room), `- ${name}`);
  if (inside(room).size === 0) rooms.delete(room);
}

/** @type {import('reactor-engine').Handler} */
const handler = {
  onStart: (server) => console.log('listening on', ...server.listeners.map(({ address }) => address)),
  onData(conn, data) {
    // As the bytes came, whatever they are.
    const text = data.toString('latin1');
    const [, word, argument = ''] = /^(HELLO|JOIN) (.+)$/s.exec(text) ?? [];
    if (text.length > LONGEST || !(conn.context || word === 'HELLO')) conn.close();
    else if (!conn.context) {
      conn.context = { name: argument, room: '' };
      tell([conn], `WELCOME ${argument} from ${conn.remoteAddress}:${conn.remotePort}`);
    } else if (word === 'JOIN') join(conn, argument);
    else tell(inside(conn.context.room), `${conn.context.name}: ${text}`);
  },
  onClose(conn) {
    if (conn.context) leave(conn);
  },
  onTick() {
    rooms.forEach((conns, room) => tell(conns, `${conns.size} in ${room}`));
    return 1000; // Milliseconds to the next.
  },
  // SIGTERM or Ctrl-C: nobody comes any more, and who is there may finish.
  onStopping: () => rooms.forEach((conns) => tell(conns, 'CLOSING')),
};

// The time-out is not `idle`: what is sent is traffic, too, and there are the ticks.
const [, , url = 'tcp://:5000', ...more] = process.argv;
const framing = lengthField({ width: 2, maxFrame: 1024 });
await serve(handler, url, ...more, { loops: 1, framing, read: 30_000, stopDeadlineMs: 5000 });
