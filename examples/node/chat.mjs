// A chat server: a person types lines, and the others in the same room read them.
//
// node chat.mjs --listen URL [--listen URL]... [--loops N] [--hard-limit BYTES]; then `nc 127.0.0.1 PORT`.
//
// The first line is the nickname. Then `/nick NAME`, `/join ROOM`, `/quit`, or what to say.
// Nobody is slowed for others: who sends faster than the others in the room read has them dropped.
import { Action, line } from 'reactor-engine';

import { checkStreams, parse, serve } from './launch.mjs';

/** @typedef {import('reactor-engine').Conn} Conn */
/** @typedef {{ nick: string, room: string }} Member */

/** The longest line, in bytes. */
const MAX_LINE = 4096;
const NAME = /^[\p{L}\p{N}_-]{1,32}$/u;
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const FIRST_ROOM = 'lobby';
/** Bytes that may wait for a client that does not read; with more it is dropped. */
const HARD_LIMIT = 1 << 20;
const COMMANDS = 'there are /nick NAME, /join ROOM and /quit';

/** What a person is told who asks for what cannot be. */
class Refusal extends Error {}

/**
 * Everybody who has a name. All callbacks run on this thread, whatever loop a connection lives on.
 * @type {Map<Conn, Member>}
 */
const members = new Map();

/**
 * @param {Conn} conn
 * @param {string} text
 */
function tellOne(conn, text) {
  try {
    conn.write(`${text}\n`);
  } catch {
    // It is gone already, or does not read: the engine closes that one.
  }
}

/**
 * @param {Conn} but
 * @param {string} room
 * @param {string} text
 */
function tell(but, room, text) {
  for (const [conn, member] of members) {
    if (member.room === room && conn !== but) tellOne(conn, text);
  }
}

/** @param {string} name */
function checkName(name) {
  if (!NAME.test(name)) throw new Refusal('a name has 1 to 32 letters, digits, - and _');
}

/**
 * @param {Conn} conn
 * @param {string} nick
 * @param {string} room
 */
function enter(conn, nick, room) {
  tell(conn, room, `* ${nick} has joined ${room}`);
  members.set(conn, { nick, room });
  const inside = [...members.values()].filter((member) => member.room === room).map((member) => member.nick);
  tellOne(conn, `* in ${room}: ${inside.sort().join(' ')}`);
}

/** @param {Conn} conn */
function leave(conn) {
  const member = members.get(conn);
  members.delete(conn);
  if (member) tell(conn, member.room, `* ${member.nick} has left ${member.room}`);
  return member;
}

/**
 * @param {Conn} conn
 * @param {string} nick
 */
function name(conn, nick) {
  checkName(nick);
  if ([...members.values()].some((member) => member.nick === nick)) throw new Refusal('this name is taken');
  const member = members.get(conn);
  if (!member) return enter(conn, nick, FIRST_ROOM);
  const text = `* ${member.nick} is now ${nick}`;
  member.nick = nick;
  tell(conn, member.room, text);
  tellOne(conn, text);
}

/**
 * @param {Conn} conn
 * @param {string} room
 */
function join(conn, room) {
  checkName(room);
  const member = leave(conn);
  if (!member) throw new Refusal('first say your name');
  enter(conn, member.nick, room);
}

/**
 * @param {Conn} conn
 * @param {string} text one line
 */
function hear(conn, text) {
  const member = members.get(conn);
  const [command, ...words] = text.split(' ');
  const argument = words.join(' ').trim();
  if (command === '/quit') return Action.Close;
  if (command === '/join') join(conn, argument);
  else if (command === '/nick') name(conn, argument);
  else if (text.startsWith('/')) throw new Refusal(`unknown command: ${COMMANDS}`);
  else if (member) tell(conn, member.room, `<${member.nick}> ${text}`);
  else name(conn, text.trim());
  return Action.None;
}

/** @type {import('reactor-engine').Handler} */
const handler = {
  onOpen(conn) {
    tellOne(conn, '* what is your name?');
  },

  onData(conn, data) {
    try {
      // What a terminal takes for commands is not passed on.
      return hear(conn, data.toString().replace(CONTROL, ' '));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return tellOne(conn, `! ${error.message}`);
    }
  },

  onClose(conn) {
    leave(conn);
  },
};

const flags = parse({ 'hard-limit': HARD_LIMIT });
checkStreams(flags);
await serve(handler, flags, { hardLimit: flags['hard-limit'], framing: line({ maxFrame: MAX_LINE }) });
