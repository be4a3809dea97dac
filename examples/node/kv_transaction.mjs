// MULTI and EXEC: commands that are kept, and carried out with nobody in between, or not at all if a key that WATCH named has
// changed.
import { command, endTransaction, every, execute, text } from './kv_commands.mjs';
import { CommandError, Encoded, NULL_ARRAY, OK, Word, encode } from './kv_replies.mjs';

/** @typedef {import('./kv_replies.mjs').Reply} Reply */

/** Bytes that the commands of a transaction may take, and the values of its replies. */
const MAX = 64 << 20;
/** What a command takes beside its bytes, and each argument. */
const OVERHEAD = 64;
const QUEUED = new Word('QUEUED');
const FLAGS = 'noscript loading stale fast allow_busy';

/** The commands since MULTI. */
export class Transaction {
  /** @type {Buffer[][]} */
  commands = [];
  /** One of them could not be kept: none will be carried out. */
  isSpoilt = false;
  #held = 0;

  /**
   * @param {Buffer[]} args
   * @returns {Reply}
   */
  gather(args) {
    if (this.isSpoilt) return QUEUED;
    this.#held += args.reduce((sum, argument) => sum + argument.length + OVERHEAD, OVERHEAD);
    if (this.#held > MAX) {
      this.spoil();
      throw new CommandError('the transaction has more than 64 MiB');
    }
    this.commands.push(copied(args));
    return QUEUED;
  }

  spoil() {
    this.isSpoilt = true;
    this.commands = [];
  }
}

/**
 * What is kept may not share memory with what is not.
 * @param {Buffer[]} args
 */
function copied(args) {
  const own = Buffer.allocUnsafeSlow(args.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  return args.map((argument) => {
    const begin = end;
    end += argument.copy(own, begin);
    return own.subarray(begin, end);
  });
}

/** The room for values in the replies: small commands can ask for one large value many times. */
class Room {
  #left = MAX;

  /**
   * @param {Reply} reply
   * @returns {Reply}
   */
  fit(reply) {
    if (Array.isArray(reply)) return reply.map((part) => this.fit(part));
    if (typeof reply !== 'string' && !Buffer.isBuffer(reply)) return reply;
    if (reply.length > this.#left) return new CommandError('the values have more than 64 MiB together');
    this.#left -= reply.length;
    return reply;
  }
}

command('multi', { arity: 1, flags: FLAGS, categories: '@fast @transaction', isImmediate: true }, (client) => {
  if (client.transaction) throw new CommandError('MULTI calls can not be nested');
  client.transaction = new Transaction();
  return OK;
});

const EXEC_FLAGS = 'noscript loading stale skip_slowlog';
command('exec', { arity: 1, flags: EXEC_FLAGS, categories: '@slow @transaction', isImmediate: true }, (client) => {
  const { transaction } = client;
  if (!transaction) throw new CommandError('EXEC without MULTI');
  const hasChanged = client.store.hasChanged(client.watch);
  endTransaction(client);
  if (transaction.isSpoilt) throw new CommandError('Transaction discarded because of previous errors.', 'EXECABORT');
  if (hasChanged) return NULL_ARRAY;
  const room = new Room();
  /** @type {import('./kv_replies.mjs').Part[]} */
  const parts = [`*${transaction.commands.length}\r\n`];
  // Each as soon as it is there: one of them may change the version of the protocol.
  for (const args of transaction.commands) encode(room.fit(execute(client, args)), client.protocol, parts);
  return new Encoded(parts);
});

command('discard', { arity: 1, flags: FLAGS, categories: '@fast @transaction', isImmediate: true }, (client) => {
  if (!client.transaction) throw new CommandError('DISCARD without MULTI');
  endTransaction(client);
  return OK;
});

const WATCH = { arity: -2, flags: FLAGS, categories: '@fast @transaction', keys: every('RO'), isImmediate: true };
command('watch', WATCH, (client, args) => {
  if (client.transaction) throw new CommandError('WATCH inside MULTI is not allowed');
  for (const key of args.slice(1)) client.store.watch(text(key), client.watch);
  return OK;
});

command('unwatch', { arity: 1, flags: FLAGS, categories: '@fast @transaction' }, (client) => {
  client.store.unwatch(client.watch);
  return OK;
});
