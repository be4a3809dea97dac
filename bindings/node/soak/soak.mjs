// Does a server that is used for long grow? Clients connect, talk, reset, for ten minutes; what the server holds is looked at
// eleven times, with the same few connections open, and must not be more in the end. soak.mjs [--seconds N] [MODE ...]
import { parseArgs } from 'node:util';

import { Load } from './clients.mjs';
import { Watched } from './watched.mjs';

const MODES = ['threads', 'inline'];

/** How often it is looked at, after a first part of the time that does not count. */
const LOOKS = 11;

/**
 * By how much each may be more in the end, however long it took: what V8's own and the allocator's pages vary by, with a young
 * generation that stays small. Whatever a client leaves behind is beyond that within minutes, what it leaves in the heap within seconds.
 */
const BOUNDS = { heap: 1 << 20, external: 256 << 10, descriptors: 0, memory: 12 << 20 };

async function observe(server, mode, milliseconds) {
  const load = await Load.of(await server.port());
  const found = [];
  await load.run(milliseconds / 6);
  for (let at = 0; at < LOOKS; at += 1) {
    await load.serveThoseThatStay();
    found.push(await server.look(load.staying));
    console.log(`${mode}: ${load.served} clients: ${JSON.stringify(found.at(-1))}`);
    if (at + 1 < LOOKS) await load.run((milliseconds * 5) / 6 / (LOOKS - 1));
  }
  await load.close();
  await server.end();
  return found;
}

/** From the least of the first looks to the least of the last: what is there for a moment is no growth. */
function growth(found, name) {
  const of = found.map((look) => look[name]);
  return Math.min(...of.slice(-4)) - Math.min(...of.slice(0, 4));
}

/** Whether a server does not grow. */
async function watch(mode, milliseconds) {
  const server = new Watched(mode);
  try {
    const found = await observe(server, mode, milliseconds);
    const grown = Object.keys(BOUNDS).filter((name) => growth(found, name) > BOUNDS[name]);
    for (const name of grown) console.log(`${mode}: ${name} grew by ${growth(found, name)}, bound ${BOUNDS[name]}`);
    return grown.length === 0;
  } catch (error) {
    console.log(`${mode}: ${error.stack}`);
    return false;
  } finally {
    server.kill();
  }
}

async function main({ values, positionals }) {
  const unknown = positionals.filter((mode) => !MODES.includes(mode));
  if (unknown.length > 0) throw new RangeError(`no such mode: ${unknown.join(', ')}; there are ${MODES.join(', ')}`);
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new RangeError(`--seconds must be a number above 0, not ${values.seconds}`);
  const begun = performance.now();
  const modes = positionals.length > 0 ? positionals : MODES;
  const passed = (await Promise.all(modes.map((mode) => watch(mode, seconds * 1000)))).filter(Boolean).length;
  const took = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(`${passed} passed, ${modes.length - passed} failed in ${took}s`);
  return passed < modes.length ? 1 : 0;
}

try {
  process.exitCode = await main(parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '600' } } }));
} catch (error) {
  console.error(`soak: ${error.message}`);
  process.exitCode = 2;
}
