// OPTIONS: what listeners and connections begin with, as text, and as the options of calls.
import { ReactorError } from 'reactor-engine';

import { framingOf } from './framings.mjs';

const isOn = (text) => text === 'on' || text === 'true';

/** `on`, `off`, or `IDLE[,INTERVAL[,COUNT]]` in seconds. */
export const keepalive = (text) => (/^\d/.test(text) ? text.split(',').map(Number) : isOn(text));

/** What makes the value of a socket's option; the others are numbers. */
export const SOCKET_OPTIONS = { nodelay: isOn, broadcast: isOn, 'multicast-loop': isOn, keepalive };

const CONN = {
  'half-open': ['halfOpen', isOn],
  idle: ['idle', Number],
  read: ['read', Number],
  write: ['write', Number],
  framing: ['framing', framingOf],
};

const SOCKET = {
  reuseport: ['reuseport', isOn],
  backlog: ['backlog', Number],
  nodelay: ['nodelay', isOn],
  keepalive: ['keepalive', keepalive],
  rcvbuf: ['recvBuffer', Number],
  sndbuf: ['sendBuffer', Number],
  device: ['device', String],
  ipv6only: ['ipv6Only', isOn],
  mode: ['unixMode', (text) => parseInt(text, 8)],
  shared: ['shared', isOn],
  datagram: ['datagramSize', Number],
  broadcast: ['broadcast', isOn],
  join: ['multicast', String],
};

const OUTGOING = {
  timeout: ['timeoutMs', (text) => (text === 'never' ? null : Number(text))],
  loop: ['loop', Number],
  context: ['context', String],
};

function parse(text, known) {
  const given = text.split(' ').filter(Boolean).map((option) => {
    const [name, ...value] = option.split('=');
    if (!Object.hasOwn(known, name)) throw new ReactorError('INVALID_ARGUMENT', `unknown option ${option}`);
    const [member, make] = known[name];
    return [member, make(value.join('='))];
  });
  return Object.fromEntries(given);
}

export const ofListener = (text) => parse(text, { ...CONN, ...SOCKET });
export const ofConnection = (text) => parse(text, { ...CONN, ...OUTGOING });
