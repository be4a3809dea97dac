// The commands about keys, whatever their values.
import { SYNTAX, command, every, integer, invalidExpire, one, text, word } from './kv_commands.mjs';
import { matcher } from './kv_glob.mjs';
import { CommandError, OK, Word } from './kv_replies.mjs';
import { MAX_MOMENT } from './kv_store.mjs';

/** @typedef {import('./kv_commands.mjs').About} About */
/** @typedef {import('./kv_commands.mjs').Client} Client */
/** @typedef {import('./kv_commands.mjs').Store} Store */
/** @typedef {import('./kv_replies.mjs').Reply} Reply */

const CURSOR = /^\+?0*([0-9]{1,20})$/;
const WRITE = { flags: 'write fast', categories: '@keyspace @write @fast' };
const READ = { flags: 'readonly fast', categories: '@keyspace @read @fast' };
const SUM = 'request_policy:multi_shard response_policy:agg_sum';
const [NONE, STRING] = [new Word('none'), new Word('string')];

/**
 * @param {string} name
 * @param {About} about
 */
function removal(name, about) {
  command(name, about, ({ store }, [, ...keys]) => keys.filter((key) => store.remove(text(key))).length);
}
removal('del', { arity: -2, flags: 'write', categories: '@keyspace @write @slow', keys: every('RM delete'), tips: SUM });
removal('unlink', { arity: -2, ...WRITE, keys: every('RM delete'), tips: SUM });

command('exists', { arity: -2, ...READ, keys: every('RO'), tips: SUM }, ({ store }, [, ...keys]) => {
  return keys.filter((key) => store.get(text(key)) !== undefined).length;
});

/**
 * Whether a time to live may follow another: the options of EXPIRE.
 * @param {string[]} words
 * @param {bigint} moment
 * @param {bigint | undefined} old
 */
function mayFollow(words, moment, old) {
  const known = old ?? MAX_MOMENT + 1n;
  const isForbidden =
    (words.includes('nx') && old !== undefined) ||
    (words.includes('xx') && old === undefined) ||
    (words.includes('gt') && moment <= known) ||
    (words.includes('lt') && moment >= known);
  return !isForbidden;
}

/** @param {Buffer[]} options */
function expireWords(options) {
  const words = options.map(word);
  const wrong = words.findIndex((one) => !['nx', 'xx', 'gt', 'lt'].includes(one));
  if (wrong >= 0) throw new CommandError(`Unsupported option ${text(options[wrong])}`);
  if (words.includes('nx') && new Set(words).size > 1) {
    throw new CommandError('NX and XX, GT or LT options at the same time are not compatible');
  }
  if (words.includes('gt') && words.includes('lt')) {
    throw new CommandError('GT and LT options at the same time are not compatible');
  }
  return words;
}

/**
 * @param {string} name
 * @param {bigint} unit
 */
function expiry(name, unit) {
  command(name, { arity: -3, ...WRITE, keys: one('RW update') }, ({ store }, [, argument, count, ...options]) => {
    const words = expireWords(options);
    const time = integer(count) * unit;
    const moment = time > 0n ? store.now() + time : 0n;
    if (moment > MAX_MOMENT || time < -MAX_MOMENT - 1n) throw invalidExpire(name);
    const key = text(argument);
    if (store.get(key) === undefined || !mayFollow(words, moment, store.expires.get(key))) return 0;
    if (moment > 0n) store.expire(key, moment);
    else store.remove(key);
    return 1;
  });
}
expiry('expire', 1000n);
expiry('pexpire', 1n);

command('persist', { arity: 2, ...WRITE, keys: one('RW update') }, ({ store }, [, argument]) => {
  const key = text(argument);
  if (store.get(key) === undefined || !store.expires.has(key)) return 0;
  store.expire(key, undefined);
  return 1;
});

/**
 * @param {string} name
 * @param {bigint} unit
 */
function timeToLive(name, unit) {
  const about = { arity: 2, ...READ, keys: one('RO access'), tips: 'nondeterministic_output' };
  command(name, about, ({ store }, [, argument]) => {
    const key = text(argument);
    if (store.get(key) === undefined) return -2;
    const moment = store.expires.get(key);
    if (moment === undefined) return -1;
    const left = moment - store.now() + unit / 2n;
    return left > 0n ? left / unit : 0;
  });
}
timeToLive('ttl', 1000n);
timeToLive('pttl', 1n);

command('type', { arity: 2, ...READ, keys: one('RO') }, ({ store }, [, key]) => {
  return store.get(text(key)) === undefined ? NONE : STRING;
});

const KEYS = {
  arity: 2,
  flags: 'readonly',
  categories: '@keyspace @read @slow @dangerous',
  tips: 'request_policy:all_shards nondeterministic_output_order',
};
command('keys', KEYS, ({ store }, [, pattern]) => [...store.keys()].filter(matcher(text(pattern))));

/** @param {Buffer[]} words */
function scanOptions(words) {
  if (words.length % 2 === 1) throw new CommandError(SYNTAX);
  const options = { fits: matcher('*'), count: 10n, type: 'string' };
  for (let at = 0; at < words.length; at += 2) {
    const [name, value] = [word(words[at]), words[at + 1]];
    if (name === 'match') options.fits = matcher(text(value));
    else if (name === 'count') options.count = integer(value);
    else if (name === 'type') options.type = word(value);
    else throw new CommandError(SYNTAX);
    if (options.count < 1n) throw new CommandError(SYNTAX);
  }
  return options;
}

/**
 * Whole parts of the keys, until there were as many as asked for: what is there all the time is seen.
 * @param {Client} client
 * @param {Buffer[]} args
 * @returns {Reply}
 */
function scan({ store }, [, argument, ...words]) {
  const [, cursor] = CURSOR.exec(text(argument)) ?? [];
  if (cursor === undefined || BigInt(cursor) >> 64n) throw new CommandError('invalid cursor');
  const { fits, count, type } = scanOptions(words);
  const parts = store.parts();
  /** @type {string[][]} */
  const found = [];
  let [at, seen] = [Number(cursor), 0];
  for (; seen < count && at < parts.length; at += 1) {
    const part = parts[at] ?? [];
    seen += part.length;
    found.push(part.filter(fits));
  }
  return [String(at < parts.length ? at : 0), type === 'string' ? found.flat() : []];
}

const SCAN_TIPS = 'nondeterministic_output request_policy:special';
command('scan', { arity: -2, flags: 'readonly', categories: '@keyspace @read @slow', tips: SCAN_TIPS }, scan);

const SIZE_TIPS = 'request_policy:all_shards response_policy:agg_sum';
command('dbsize', { arity: 1, ...READ, tips: SIZE_TIPS }, ({ store }) => store.values.size);

for (const name of ['flushall', 'flushdb']) {
  const tips = 'request_policy:all_shards response_policy:all_succeeded';
  const about = { arity: -1, flags: 'write', categories: '@keyspace @write @slow @dangerous', tips };
  command(name, about, ({ store }, [, ...words]) => {
    if (words.length > 1 || !words.every((one) => ['sync', 'async'].includes(word(one)))) throw new CommandError(SYNTAX);
    store.clear();
    return OK;
  });
}
