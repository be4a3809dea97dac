// The commands that read and write values.
import { MAX, MIN, SYNTAX, command, every, integer, invalidExpire, one, text, word, wrongNumber } from './kv_commands.mjs';
import { CommandError, OK } from './kv_replies.mjs';
import { MAX_MOMENT, kept } from './kv_store.mjs';

/** @typedef {import('./kv_commands.mjs').Client} Client */
/** @typedef {import('./kv_commands.mjs').Store} Store */
/** @typedef {import('./kv_replies.mjs').Reply} Reply */

/** Bytes that the values of one MGET may have together: a small request can ask for one large value many times. */
const MAX_MGET = 64 << 20;
const EMPTY = Buffer.alloc(0);

const READ = { flags: 'readonly fast', categories: '@read @string @fast' };
const WRITE = { flags: 'write denyoom', categories: '@write @string @slow' };
const WRITE_FAST = { flags: 'write denyoom fast', categories: '@write @string @fast' };

command('get', { arity: 2, ...READ, keys: one('RO access') }, ({ store }, [, key]) => store.get(text(key)) ?? null);

/**
 * The moment after so many units of so many milliseconds.
 * @param {Store} store
 * @param {Buffer | undefined} time
 * @param {bigint} unit
 * @param {string} name
 */
function momentAfter(store, time, unit, name) {
  const count = integer(time);
  const moment = store.now() + count * unit;
  if (count <= 0n || moment > MAX_MOMENT) throw invalidExpire(name);
  return moment;
}

/**
 * What stands behind the value of SET.
 * @param {Store} store
 * @param {Buffer[]} words
 */
function setOptions(store, words) {
  /** @type {{ moment?: bigint, nx?: true, xx?: true, get?: true, keepttl?: true }} */
  const options = {};
  for (let at = 0; at < words.length; at += 1) {
    const name = word(words[at]);
    if ((name === 'ex' || name === 'px') && options.moment === undefined && !options.keepttl) {
      at += 1;
      if (at === words.length) throw new CommandError(SYNTAX);
      options.moment = momentAfter(store, words[at], name === 'ex' ? 1000n : 1n, 'set');
    } else if (name === 'nx' || name === 'xx' || name === 'get' || (name === 'keepttl' && options.moment === undefined)) {
      options[name] = true;
    } else {
      throw new CommandError(SYNTAX);
    }
  }
  if (options.nx && options.xx) throw new CommandError(SYNTAX);
  return options;
}

/**
 * @param {Client} client
 * @param {Buffer[]} args
 * @returns {Reply}
 */
function set({ store }, [, name, value = EMPTY, ...words]) {
  const key = text(name);
  if (words.length === 0) {
    store.set(key, kept(value));
    return OK;
  }
  const { moment, nx, xx, get, keepttl } = setOptions(store, words);
  const old = store.get(key);
  const writes = old === undefined ? !xx : !nx;
  if (writes) store.set(key, kept(value), keepttl ? store.expires.get(key) : moment);
  if (get) return old ?? null;
  return writes ? OK : null;
}

const SET_KEYS = one('RW access update variable_flags', 'RW and ACCESS due to the optional `GET` argument');
command('set', { arity: -3, ...WRITE, keys: SET_KEYS }, set);

command('setnx', { arity: 3, ...WRITE_FAST, keys: one('OW insert') }, ({ store }, [, key, value = EMPTY]) => {
  if (store.get(text(key)) !== undefined) return 0;
  store.set(text(key), kept(value));
  return 1;
});

command('setex', { arity: 4, ...WRITE, keys: one('OW update') }, ({ store }, [, key, time, value = EMPTY]) => {
  store.set(text(key), kept(value), momentAfter(store, time, 1000n, 'setex'));
  return OK;
});

/**
 * @param {Store} store
 * @param {string} key
 * @param {bigint} by
 */
function add(store, key, by) {
  const old = store.get(key);
  const value = (old === undefined ? 0n : integer(old)) + by;
  if (value < MIN || value > MAX) throw new CommandError('increment or decrement would overflow');
  store.set(key, String(value), store.expires.get(key));
  return value;
}

const COUNTER = { ...WRITE_FAST, keys: one('RW access update') };
command('incr', { arity: 2, ...COUNTER }, ({ store }, [, key]) => add(store, text(key), 1n));
command('decr', { arity: 2, ...COUNTER }, ({ store }, [, key]) => add(store, text(key), -1n));
command('incrby', { arity: 3, ...COUNTER }, ({ store }, [, key, by]) => add(store, text(key), integer(by)));
command('decrby', { arity: 3, ...COUNTER }, ({ store }, [, key, argument]) => {
  const by = integer(argument);
  if (by === MIN) throw new CommandError('decrement would overflow');
  return add(store, text(key), -by);
});

const MGET = { arity: -2, ...READ, keys: every('RO access'), tips: 'request_policy:multi_shard' };
command('mget', MGET, ({ store }, [, ...keys]) => {
  const values = keys.map((key) => store.get(text(key)) ?? null);
  const size = values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
  if (size > MAX_MGET) throw new CommandError('the values have more than 64 MiB together');
  return values;
});

const MSET_TIPS = 'request_policy:multi_shard response_policy:all_succeeded';
command('mset', { arity: -3, ...WRITE, keys: every('OW update', 2), tips: MSET_TIPS }, ({ store }, args) => {
  if (args.length % 2 === 0) throw wrongNumber('mset');
  for (let at = 1; at < args.length; at += 2) store.set(text(args[at]), kept(args[at + 1] ?? EMPTY));
  return OK;
});

command('strlen', { arity: 2, ...READ, keys: one('RO') }, ({ store }, [, key]) => store.get(text(key))?.length ?? 0);
