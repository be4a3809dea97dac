// Calls: `TARGET CALL`, the same from scripts, from control, and many times.
import { ConnId, Server } from 'reactor-engine';

import { onConn } from './conn_calls.mjs';
import { onServer } from './server_calls.mjs';
import { split } from './text.mjs';

/** What scripts and control commands share. */
export class World {
  /** Timers that were started, by their numbers. */
  timers = new Map();
  #other;

  /** A server beside it, started at the first use, that listens nowhere. */
  async other() {
    this.#other ??= new Server({}, { loops: 1 });
    if (this.#other.loops === 0) await this.#other.start();
    return this.#other;
  }

  async end() {
    await this.#other?.stop();
  }
}

/** Makes a call: its result, or a promise of it. It throws what the call throws. `conn` is that of the callback. */
export function call({ world, server, conn }, line) {
  const [target, text] = split(line.trimEnd());
  if (target === 'server') return onServer(world, server, text);
  if (target === 'self') return conn ? onConn(world, conn, text) : 'n/a';
  if (target.startsWith('other:')) return world.other().then((other) => onConn(world, byId(other, target.slice(6)), text));
  return onConn(world, byId(server, target), text);
}

/** What no method of the server's does by id, the connection's own does. */
function byId(server, number) {
  const id = ConnId.parse(number);
  const own = (name) => (...args) => server.conn(id)[name](...args);
  const proxy = { id, get isOpen() { return server.conn(id).isOpen; } };
  return new Proxy(proxy, {
    get(_, name) {
      if (name === 'id') return id;
      if (typeof server[name] === 'function' && name !== 'runOnLoop') return (...args) => server[name](id, ...args);
      const conn = server.conn(id);
      return typeof conn[name] === 'function' ? own(name) : conn[name];
    },
    set(_, name, value) {
      server.conn(id)[name] = value;
      return true;
    },
  });
}
