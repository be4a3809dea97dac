// How a command is carried out, and what can be wrong with it, in the words of Redis.
import { CommandError } from './kv_replies.mjs';
import { Watch } from './kv_store.mjs';

/** @typedef {import('./kv_replies.mjs').Reply} Reply */
/** @typedef {import('./kv_store.mjs').Store} Store */
/** @typedef {import('./kv_transaction.mjs').Transaction} Transaction */

export const SYNTAX = 'syntax error';
/** As Redis takes it: no plus sign, no spaces, no leading zeroes. */
const NUMBER = /^(0|-?[1-9][0-9]{0,18})$/;
export const [MIN, MAX] = [-(1n << 63n), (1n << 63n) - 1n];

/** What a connection remembers. */
export class Client {
  /**
   * @param {Store} store
   * @param {number} id
   */
  constructor(store, id) {
    this.store = store;
    this.id = id;
    this.name = '';
    this.protocol = 2;
    /** @type {Transaction | null} */
    this.transaction = null;
    this.watch = new Watch();
    /** Nothing may follow. */
    this.isOver = false;
    /** It is read no further until it has read what is queued for it. */
    this.isHeld = false;
  }
}

/**
 * Carries a command out. It is given all of its arguments, the name of the command being the first.
 * @typedef {(client: Client, args: Buffer[]) => Reply} Run
 */
/**
 * Where keys stand among the arguments, and what becomes of them: `first` is 0 if there are none, `last` is counted from the end if
 * negative.
 * @typedef {{ flags: string, first: number, last: number, step: number, notes: string }} Keys
 */
/**
 * What Redis 7 tells of a command, in its words, with blanks between.
 * @typedef {object} About
 * @property {number} arity The number of arguments, all names included; if negative, the least number.
 * @property {string} [flags]
 * @property {string} categories Of access control lists.
 * @property {Keys} [keys]
 * @property {string} [tips]
 * @property {boolean} [isImmediate] It is carried out at once, also behind MULTI.
 */
/** @typedef {Required<About> & { name: string, run: Run, subcommands: Map<string, Command> }} Command */

/** @type {Keys} */
const NO_KEYS = { flags: '', first: 0, last: 0, step: 0, notes: '' };

/**
 * One key.
 * @param {string} flags
 * @param {string} [notes]
 * @returns {Keys}
 */
export const one = (flags, notes = '') => ({ flags, first: 1, last: 1, step: 1, notes });

/**
 * All arguments, or each step-th of them.
 * @param {string} flags
 * @param {number} [step]
 * @returns {Keys}
 */
export const every = (flags, step = 1) => ({ flags, first: 1, last: -1, step, notes: '' });

/**
 * By their names in capitals, as most programs write them; subcommands, too.
 * @type {Map<string, Command>}
 */
export const COMMANDS = new Map();

/**
 * Makes a function a command, or the subcommand of one that was made before, like "client|id".
 * @param {string} name
 * @param {About} about
 * @param {Run} run
 */
export function command(name, about, run) {
  const [own = '', parent = ''] = name.toUpperCase().split('|').reverse();
  const commands = parent ? COMMANDS.get(parent)?.subcommands : COMMANDS;
  const usual = { flags: '', keys: NO_KEYS, tips: '', isImmediate: false };
  commands?.set(own, { name, run, subcommands: new Map(), ...usual, ...about });
}

/**
 * Carries a command out, or keeps it for EXEC.
 * @param {Client} client
 * @param {Buffer[]} args
 * @returns {Reply}
 */
export function execute(client, args) {
  try {
    const asked = find(client, args);
    if (client.transaction && !asked.isImmediate) return client.transaction.gather(args);
    return asked.run(client, args);
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
}

/**
 * The command or subcommand that is asked for. There is no transaction any more with something that there is not.
 * @param {Client} client
 * @param {Buffer[]} args
 */
function find(client, args) {
  try {
    return known(args);
  } catch (error) {
    if (error instanceof CommandError && isWord(args[0], 'exec')) {
      endTransaction(client);
      throw new CommandError(`Transaction discarded because of: ${error.message}`, 'EXECABORT');
    }
    client.transaction?.spoil();
    throw error;
  }
}

/** @param {Buffer[]} args */
function known(args) {
  const name = text(args[0]);
  let found = COMMANDS.get(name) ?? COMMANDS.get(name.toUpperCase());
  if (!found) throw unknown(args);
  if (found.subcommands.size > 0 && args.length > 1) {
    found = found.subcommands.get(text(args[1]).toUpperCase());
    if (!found) throw unknownSubcommand(args);
  }
  const { arity } = found;
  if (args.length !== arity && (arity > 0 || args.length < -arity)) throw wrongNumber(found.name);
  return found;
}

/**
 * Ends it, and what was watched for it.
 * @param {Client} client
 */
export function endTransaction(client) {
  client.transaction = null;
  client.store.unwatch(client.watch);
}

// ---- arguments ----

/**
 * An argument, a character for each byte.
 * @param {Buffer | undefined} argument
 */
export function text(argument) {
  return argument === undefined ? '' : argument.toString('latin1');
}

/** @param {Buffer | undefined} argument */
export function word(argument) {
  return text(argument).toLowerCase();
}

/**
 * @param {Buffer | undefined} argument
 * @param {string} expected
 */
function isWord(argument, expected) {
  return argument?.length === expected.length && word(argument) === expected;
}

/** @param {import('./kv_store.mjs').Value | Buffer | undefined} value */
export function integer(value) {
  const digits = typeof value === 'string' ? value : text(value);
  if (NUMBER.test(digits)) {
    const number = BigInt(digits);
    if (number >= MIN && number <= MAX) return number;
  }
  throw new CommandError('value is not an integer or out of range');
}

// ---- what can be wrong ----

/**
 * Quotes at most 128 bytes of the name and about as many of the arguments.
 * @param {Buffer[]} args
 */
function unknown(args) {
  let beginning = '';
  for (const argument of args.slice(1)) {
    if (beginning.length >= 128) break;
    beginning += `'${text(argument.subarray(0, 128 - beginning.length))}' `;
  }
  return new CommandError(`unknown command '${text(args[0]?.subarray(0, 128))}', with args beginning with: ${beginning}`);
}

/** @param {Buffer[]} args */
export function unknownSubcommand(args) {
  return new CommandError(`unknown subcommand '${text(args[1]?.subarray(0, 128))}'. Try ${text(args[0]).toUpperCase()} HELP.`);
}

/** @param {string} name */
export function wrongNumber(name) {
  return new CommandError(`wrong number of arguments for '${name}' command`);
}

/** @param {string} name */
export function invalidExpire(name) {
  return new CommandError(`invalid expire time in '${name}' command`);
}
