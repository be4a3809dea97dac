// Required before a program of somebody else's: what it asks of `net` it gets from reactor-engine/net. What Node itself does with its
// own `net` stays as it is, and so does what this package needs of it.
'use strict';

const Module = require('node:module');
const { sep, join } = require('node:path');

const ours = join(__dirname, '..', '..', 'lib') + sep;
const load = Module._load;

Module._load = function substituted(request, parent, ...rest) {
  const isNet = request === 'net' || request === 'node:net';
  if (!isNet || parent?.filename?.startsWith(ours)) return load.call(this, request, parent, ...rest);
  return load.call(this, join(ours, 'net', 'index.js'), parent, ...rest);
};

if (process.env.REACTOR_TEST_MODE === 'threads') require(join(ours, 'net', 'index.js')).setEngineMode('threads');
