#!/usr/bin/env bash
# Deno 2.9.6 (Linux): a Worker that has loaded an addon, whatever addon, and is terminated leaves two descriptors behind, an
# eventfd and an epoll. One that has loaded none leaves nothing, and neither does one of Node 26.10.0. The addon here is
# bufferutil's 4.0.9, written in C on Node-API alone.
#
# Seen:
#   deno, no addon: 0 descriptors more after 10 workers
#   deno, bufferutil: 20 descriptors more after 10 workers
#   node, no addon: 0 descriptors more after 10 workers
#   node, bufferutil: 0 descriptors more after 10 workers
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export NO_COLOR=1 DENO_DIR=$folder/cache DENO_NO_UPDATE_CHECK=1
echo '{"private":true}' >package.json
npm install --no-audit --no-fund --loglevel=error deno@2.9.6 node@26.10.0 bufferutil@4.0.9 >/dev/null
cat >workers.mjs <<'JS'
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, parentPort, workerData } from 'node:worker_threads';

const count = () => readdirSync('/proc/self/fd').length;

async function round(name) {
  const worker = new Worker(new URL(import.meta.url), { workerData: name });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  // Whatever ends behind its back.
  await sleep(300);
}

if (workerData) {
  if (workerData !== 'no addon') await import(workerData);
  setInterval(() => {}, 1000);
  parentPort.postMessage('loaded');
} else {
  const [program, name] = process.argv.slice(2);
  for (let first = 0; first < 3; first += 1) await round(name);
  const before = count();
  for (let number = 0; number < 10; number += 1) await round(name);
  console.log(`${program}, ${name}: ${count() - before} descriptors more after 10 workers`);
  process.exit(0);
}
JS
for name in "no addon" bufferutil; do node_modules/.bin/deno run --quiet -A workers.mjs deno "$name"; done >seen
for name in "no addon" bufferutil; do node_modules/.bin/node workers.mjs node "$name"; done >>seen
cat seen
diff seen - <<'SEEN'
deno, no addon: 0 descriptors more after 10 workers
deno, bufferutil: 20 descriptors more after 10 workers
node, no addon: 0 descriptors more after 10 workers
node, bufferutil: 0 descriptors more after 10 workers
SEEN
