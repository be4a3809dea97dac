// kv through ioredis, as it comes: node ioredis.mjs PORT
import assert from 'node:assert/strict';

import { Redis } from 'ioredis';

const client = new Redis(Number(process.argv[2]));
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
assert.equal(await client.set('a', '1', 'EX', 100), 'OK');
assert.equal(await client.get('a'), '1');
assert.equal(await client.get('none'), null);
assert.equal(await client.incr('a'), 2);
assert.ok((await client.ttl('a')) > 90);
assert.deepEqual(await client.mget('a', 'none'), ['2', null]);
assert.deepEqual(await client.multi().set('b', 'x').incr('a').get('b').exec(), [[null, 'OK'], [null, 3], [null, 'x']]);
await assert.rejects(client.incr('b'), /not an integer/);
const other = client.duplicate();
await client.watch('a');
await other.set('a', '5');
assert.equal(await client.multi().incr('a').exec(), null);
await client.watch('a');
assert.deepEqual(await client.multi().incr('a').exec(), [[null, 6]]);
assert.equal(await other.quit(), 'OK');
assert.ok((await client.client('ID')) > 0);
const keys = [];
for await (const found of client.scanStream({ count: 1 })) keys.push(...found);
assert.deepEqual(keys.sort(), ['a', 'b']);
const [info] = await client.command('INFO', 'get');
assert.deepEqual([info.length, info[6], info[9]], [10, ['@read', '@string', '@fast'], []]);
const pipeline = client.pipeline();
for (let number = 0; number < 1000; number += 1) pipeline.echo(String(number));
assert.deepEqual((await pipeline.exec()).map(([, text]) => text), Array.from({ length: 1000 }, (_, number) => String(number)));
assert.equal(await client.quit(), 'OK');
console.log('fine');
