// Required before a test, or a program of one: servers that it makes run inline, and so have one loop.
'use strict';

const reactor = require('reactor-engine');

const { serve } = reactor;

/** More loops than any test asks for that is about something else. */
const MOST = 8;

/** The options in that mode, unless they are wrong on purpose. */
function inline(options = {}) {
  if (typeof options !== 'object' || options === null) return options;
  const { mode = 'inline', loops } = options;
  return typeof loops === 'number' && loops <= MOST ? { ...options, mode, loops: Math.min(loops, 1) } : { ...options, mode };
}

reactor.Server = class Server extends reactor.Server {
  constructor(handler, options) {
    super(handler, inline(options));
  }
};

reactor.serve = (handler, ...more) => {
  const options = typeof more.at(-1) === 'string' ? undefined : more.pop();
  return serve(handler, ...more, inline(options));
};
