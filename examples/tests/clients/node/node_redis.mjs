// kv through node-redis, as it comes: node node_redis.mjs PORT
import assert from 'node:assert/strict';

import { WatchError, createClient } from 'redis';

const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
await client.connect();
assert.equal(await client.set('a', '1', { expiration: { type: 'EX', value: 100 } }), 'OK');
assert.equal(await client.get('a'), '1');
assert.equal(await client.get('none'), null);
assert.equal(await client.incr('a'), 2);
assert.ok((await client.ttl('a')) > 90);
assert.deepEqual(await client.mGet(['a', 'none']), ['2', null]);
assert.deepEqual(await client.multi().set('b', 'x').incr('a').get('b').exec(), ['OK', 3, 'x']);
await assert.rejects(client.incr('b'), /not an integer/);
const other = await client.duplicate().connect();
await client.watch('a');
await other.set('a', '5');
await assert.rejects(client.multi().incr('a').exec(), WatchError);
await client.watch('a');
assert.deepEqual(await client.multi().incr('a').exec(), [6]);
await other.close();
assert.ok((await client.clientId()) > 0);
const keys = [];
for await (const found of client.scanIterator({ MATCH: '*', COUNT: 1 })) keys.push(...[found].flat());
assert.deepEqual(keys.sort(), ['a', 'b']);
const [info] = await client.commandInfo(['get']);
assert.deepEqual([info.name, info.arity, info.firstKeyIndex, info.lastKeyIndex, info.step], ['get', 2, 1, 1, 1]);
assert.deepEqual([...info.categories].sort(), ['@fast', '@read', '@string']);
assert.deepEqual(await Promise.all(Array.from({ length: 1000 }, (_, number) => client.echo(String(number)))),
  Array.from({ length: 1000 }, (_, number) => String(number)));
await client.close();
console.log('fine');
