// The commands about the connection and the server.
import { COMMANDS, SYNTAX, command, integer, text, unknownSubcommand, word, wrongNumber } from './kv_commands.mjs';
import { matcher } from './kv_glob.mjs';
import { CommandError, OK, Word } from './kv_replies.mjs';

/** @typedef {import('./kv_commands.mjs').Client} Client */
/** @typedef {import('./kv_commands.mjs').Command} Command */
/** @typedef {import('./kv_commands.mjs').Keys} Keys */
/** @typedef {import('./kv_replies.mjs').Reply} Reply */

/** The Redis whose ways these are. */
const VERSION = '7.0.0';
/** Clients ask for these when they connect. */
const SETTINGS = { appendonly: 'no', databases: '1', maxmemory: '0', save: '' };
const GREETING = 'noscript loading stale fast no_auth allow_busy';
const LOADING = 'noscript loading stale';
const OF_CONNECTION = '@slow @connection';
const FAST = '@fast @connection';
const UNORDERED = 'nondeterministic_output_order';
/** The only one, whom any password lets in. */
const DEFAULT_USER = 'default';
const PONG = new Word('PONG');
const NAME = /^[!-~]{0,1024}$/;

const wrongPass = () => new CommandError('invalid username-password pair or user is disabled.', 'WRONGPASS');

const PING_TIPS = 'request_policy:all_shards response_policy:all_succeeded';
command('ping', { arity: -1, flags: 'fast', categories: FAST, tips: PING_TIPS }, (client, args) => {
  if (args.length > 2) throw wrongNumber('ping');
  return args[1] ?? PONG;
});

command('echo', { arity: 2, flags: 'loading stale fast', categories: FAST }, (client, args) => args[1] ?? null);

command('quit', { arity: -1, flags: GREETING, categories: FAST, isImmediate: true }, (client) => {
  client.isOver = true;
  return OK;
});

command('select', { arity: 2, flags: 'loading stale fast', categories: FAST }, (client, args) => {
  if (integer(args[1]) !== 0n) throw new CommandError('DB index is out of range');
  return OK;
});

command('auth', { arity: -2, flags: GREETING, categories: FAST }, (client, args) => {
  if (args.length === 2) {
    const why = 'AUTH <password> called without any password configured for the default user.';
    throw new CommandError(`${why} Are you sure your configuration is correct?`);
  }
  if (args.length > 3) throw new CommandError(SYNTAX);
  if (text(args[1]) !== DEFAULT_USER) throw wrongPass();
  return OK;
});

/** @param {string} name */
function checked(name) {
  if (NAME.test(name)) return name;
  throw new CommandError('Client names cannot contain spaces, newlines or special characters.');
}

/** @param {Buffer} argument */
function version(argument) {
  try {
    return integer(argument);
  } catch {
    throw new CommandError('Protocol version is not an integer or out of range');
  }
}

/**
 * @param {string} name
 * @param {Buffer[]} words
 */
function helloOptions(name, words) {
  const options = { user: DEFAULT_USER, name };
  for (let at = 0; at < words.length; ) {
    const option = word(words[at]);
    if (option === 'auth' && at + 2 < words.length) {
      options.user = text(words[at + 1]);
      at += 3;
    } else if (option === 'setname' && at + 1 < words.length) {
      options.name = text(words[at + 1]);
      at += 2;
    } else {
      throw new CommandError(`Syntax error in HELLO option '${text(words[at])}'`);
    }
  }
  if (options.user !== DEFAULT_USER) throw wrongPass();
  return options;
}

// Chooses the version of the protocol, and may say who the client is.
command('hello', { arity: -1, flags: GREETING, categories: FAST }, (client, [, asked, ...words]) => {
  const protocol = asked ? Number(version(asked)) : client.protocol;
  if (protocol !== 2 && protocol !== 3) throw new CommandError('unsupported protocol version', 'NOPROTO');
  const { name } = helloOptions(client.name, words);
  client.name = checked(name);
  client.protocol = protocol;
  /** @type {[string, Reply][]} */
  const told = [['server', 'redis'], ['version', VERSION], ['proto', protocol], ['id', client.id]];
  return new Map([...told, ['mode', 'standalone'], ['role', 'master'], ['modules', []]]);
});

for (const name of ['client', 'config']) {
  command(name, { arity: -2, categories: '@slow' }, (client, args) => {
    throw unknownSubcommand(args);
  });
}

const OF_CLIENT = { flags: LOADING, categories: OF_CONNECTION };
command('client|id', { arity: 2, ...OF_CLIENT }, (client) => client.id);
command('client|setname', { arity: 3, ...OF_CLIENT }, (client, args) => {
  client.name = checked(text(args[2]));
  return OK;
});
command('client|getname', { arity: 2, ...OF_CLIENT }, (client) => client.name || null);
command('client|setinfo', { arity: 4, ...OF_CLIENT }, () => OK);

command('config|get', { arity: -3, flags: `admin ${LOADING}`, categories: '@admin @slow @dangerous' }, (client, [, , ...patterns]) => {
  const fitting = patterns.map((pattern) => matcher(word(pattern)));
  return new Map(Object.entries(SETTINGS).filter(([name]) => fitting.some((fits) => fits(name))));
});

const INFO_TIPS = 'nondeterministic_output request_policy:all_shards response_policy:special';
command('info', { arity: -1, flags: 'loading stale', categories: '@slow @dangerous', tips: INFO_TIPS }, ({ store }) => {
  const keys = [...store.keys()];
  const expiring = keys.filter((key) => store.expires.has(key)).length;
  const lines = ['# Server', `redis_version:${VERSION}`, 'redis_mode:standalone'];
  lines.push(`process_id:${process.pid}`, `uptime_in_seconds:${store.now() / 1000n}`, '', '# Keyspace');
  if (keys.length > 0) lines.push(`db0:keys=${keys.length},expires=${expiring},avg_ttl=0`);
  return [...lines, ''].join('\r\n');
});

// ---- COMMAND: what there is, for clients that look where keys stand ----

/**
 * @param {string} blank
 * @returns {Set<Reply>}
 */
function words(blank) {
  return new Set(blank.split(' ').filter(Boolean).map((one) => new Word(one)));
}

/**
 * @param {Command} told
 * @returns {Reply}
 */
function describe({ name, arity, flags, keys, categories, tips, subcommands }) {
  const { first, last, step } = keys;
  /** @type {Set<Reply>} */
  const specifications = new Set(first > 0 ? [specification(keys)] : []);
  const hints = new Set(tips.split(' ').filter(Boolean));
  const parts = [...subcommands.values()].map(describe);
  return [name, arity, words(flags), first, last, step, words(categories), hints, specifications, parts.length > 0 ? parts : new Set()];
}

/**
 * Where to begin, and how to go on from there.
 * @param {Keys} keys
 * @returns {Reply}
 */
function specification({ flags, first, last, step, notes }) {
  /** @param {[string, Reply][]} entries */
  const map = (...entries) => new Map(entries);
  // The last one is counted from the first, or from the end if negative.
  const range = map(['lastkey', last < 0 ? last : last - first], ['keystep', step], ['limit', 0]);
  return map(
    .../** @type {[string, Reply][]} */ (notes ? [['notes', notes]] : []),
    ['flags', words(flags)],
    ['begin_search', map(['type', 'index'], ['spec', map(['index', first])])],
    ['find_keys', map(['type', 'range'], ['spec', range])],
  );
}

/** All of them, subcommands included. */
const everything = () => [...COMMANDS.values()].flatMap((told) => [told, ...told.subcommands.values()]);
const describeAll = () => [...COMMANDS.values()].map(describe);

/** @param {Buffer} argument */
function describeNamed(argument) {
  const [parent = '', own, ...rest] = text(argument).toUpperCase().split('|');
  let found = COMMANDS.get(parent);
  if (own !== undefined) found = found?.subcommands.get([own, ...rest].join('|'));
  return found ? describe(found) : null;
}

const OF_COMMAND = { flags: 'loading stale', categories: OF_CONNECTION };
command('command', { arity: -1, ...OF_COMMAND, tips: UNORDERED }, describeAll);
command('command|info', { arity: -2, ...OF_COMMAND, tips: UNORDERED }, (client, [, , ...names]) => {
  return names.length > 0 ? names.map(describeNamed) : describeAll();
});
command('command|count', { arity: 2, ...OF_COMMAND }, () => COMMANDS.size);
command('command|list', { arity: -2, ...OF_COMMAND, tips: UNORDERED }, (client, args) => {
  if (args.length > 2) throw new CommandError(SYNTAX);
  return everything().map(({ name }) => name);
});
// Nothing is known of any.
command('command|docs', { arity: -2, ...OF_COMMAND, tips: UNORDERED }, () => new Map());
