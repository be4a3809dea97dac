// Bundlers follow the package to its addon: what they make runs without node_modules.
import assert from 'node:assert/strict';
import { cpSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { HERE, checked, fetched, installed, own, run, served } from './support.mjs';

const CONFIG = `
module.exports = {
  mode: 'production',
  target: 'node20',
  entry: './smoke.mjs',
  output: { path: __dirname + '/out', filename: 'smoke.cjs' },
  // Next to the bundle, wherever that is.
  node: { __dirname: false },
  module: { rules: [{ test: /\\.node$/, loader: 'node-loader' }] },
  experiments: { topLevelAwait: true },
};
`;

/** Runs a bundle where nothing is installed. */
function runAlone(folder, bundle) {
  renameSync(join(folder, 'node_modules'), join(folder, 'elsewhere'));
  for (const mode of ['threads', 'inline']) assert.equal(checked(join(folder, 'out'), ['node', bundle, mode]), served(mode));
}

test('esbuild bundles it with its addon', (t) => {
  const esbuild = join(fetched('esbuild@0.28.2'), '.bin/esbuild');
  const folder = installed(t);
  cpSync(join(HERE, 'smoke.mjs'), join(folder, 'smoke.mjs'));
  // What it bundles of CommonJS asks for `require`.
  const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  const done = run(folder, [esbuild, 'smoke.mjs', '--bundle', '--platform=node', '--format=esm', '--loader:.node=copy',
    `--banner:js=${banner}`, '--outfile=out/smoke.mjs', '--log-level=error']);
  assert.deepEqual(done, { status: 0, stdout: '', stderr: '' });
  runAlone(folder, 'smoke.mjs');
});

test('webpack bundles it with its addon', (t) => {
  const tools = fetched('webpack@5.113.0', 'webpack-cli@7.3.1', 'node-loader@2.1.0');
  const folder = installed(t);
  cpSync(join(HERE, 'smoke.mjs'), join(folder, 'smoke.mjs'));
  writeFileSync(join(folder, 'webpack.config.js'), CONFIG.replace('module.exports = {', `module.exports = {\n  resolveLoader: { modules: [${JSON.stringify(tools)}] },`));
  const told = checked(folder, [join(tools, '.bin/webpack'), '--no-color']);
  assert.doesNotMatch(told, new RegExp(`ERROR|${own().name}`));
  runAlone(folder, 'smoke.cjs');
});
