// The garbage collector may come at any time: nothing that the engine still needs is collected, and nothing is freed twice.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Load } from '../soak/clients.mjs';
import { Watched } from '../soak/watched.mjs';

const AT_RANDOM = fileURLToPath(new URL('programs/collect_at_random.cjs', import.meta.url));
const mode = process.env.REACTOR_TEST_MODE ?? 'threads';

/** Ways for the collector to come, besides that of every process. */
const WAYS = {
  'by calls, at random': [`--require=${AT_RANDOM}`],
  'by the number of allocations, at random': ['--random-gc-interval=2000'],
  'at every scavenge, with all that is compacted': ['--stress-scavenge=100', '--compact-on-every-full-gc', `--require=${AT_RANDOM}`],
};

for (const [how, flags] of Object.entries(WAYS)) {
  test(`a server under load lives while garbage is collected ${how}`, async (t) => {
    const server = new Watched(mode, flags);
    t.after(() => server.kill());
    const load = await Load.of(await server.port(), 4);
    await load.run(2000);
    await load.serveThoseThatStay();
    assert.equal((await server.look(load.staying)).connections, 4);
    assert.ok(load.served > 0);
    await load.close();
    await server.end();
  });
}
