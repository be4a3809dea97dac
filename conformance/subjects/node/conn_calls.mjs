// Calls on a connection.
import { cutBy, framingOf } from './framings.mjs';
import { complain, emit, outcome, thread } from './report.mjs';
import { SOCKET_OPTIONS } from './terms.mjs';
import { camel } from './options.mjs';
import { pattern, slices, split } from './text.mjs';

const PLAIN = ['end', 'close', 'abort', 'detach', 'wake', 'pause', 'resume', 'hold', 'release'];
const done = (result) => (result === false ? 'high' : 'ok');

function writeThen(_, conn, rest) {
  const [tag, sizes] = split(rest);
  const id = String(conn.id);
  return done(conn.writev(slices(sizes), (error) => {
    emit('completed', { id, tag, result: error ? 'cancelled' : 'sent', thread });
    if (tag === 'fail') throw new Error('told to fail');
  }));
}

function setOption(_, conn, rest) {
  const [name, value] = split(rest);
  if (name === 'join') return done(conn.joinMulticast(value));
  if (name === 'leave') return done(conn.leaveMulticast(value));
  return done(conn.setOptions({ [camel(name)]: (SOCKET_OPTIONS[name] ?? Number)(value) }));
}

function run(world, conn, text) {
  return done(conn.runOnLoop((own) => {
    if (text === 'fail') throw new Error('told to fail');
    emit('ran', { id: String(own.id), call: text, result: outcome(() => onConn(world, own, text)), thread });
  }));
}

function info(_, conn) {
  const { listener, loop, ageMs, bytesReceived, bytesSent, queuedBytes } = conn.info();
  return { listener, loop, age_ms: ageMs, received: bytesReceived, sent: bytesSent, queued: queuedBytes };
}

/** An address as the other languages have it. */
function address(conn, side) {
  const [host, port, family] = ['Address', 'Port', 'Family'].map((part) => conn[side + part]);
  if (host === undefined) return conn.info() && 'SYSTEM';
  return { IPv4: `${host}:${port}`, IPv6: `[${host}]:${port}` }[family] ?? host;
}

function setTimer(world, conn, rest) {
  const [delay, repeat] = rest.split(' ').map(Number);
  const timer = conn.setTimer(delay, repeat);
  world.timers.set(timer.id, timer);
  return timer.id;
}

/** Ends a timer that was started. */
export function cancel(world, number) {
  const timer = world.timers.get(Number(number));
  if (!timer) return 'INVALID_ARGUMENT';
  return timer.cancel() ? 'ok' : 'gone';
}

function context(_, conn, text) {
  if (!text) return conn.data?.context ?? null;
  conn.data.context = text;
  return 'ok';
}

const CALLS = {
  write: (_, conn, size) => done(conn.write(pattern(size))),
  text: (_, conn, text) => done(conn.write(`${text}\n`)),
  bytes: (_, conn, digits) => done(conn.write(Buffer.from(digits, 'hex'))),
  gather: (_, conn, sizes) => done(conn.writev(slices(sizes))),
  'write-then': writeThen,
  frame: (_, conn, text) => done(conn.writeFrame(text)),
  'send-to'(_, conn, rest) {
    const [to, text] = split(rest);
    return done(conn.sendTo(to, text));
  },
  framing(_, conn, spec) {
    const framing = framingOf(spec);
    conn.setFraming(framing);
    if (conn.data) conn.data.framed = cutBy(framing);
    return 'ok';
  },
  timeouts(_, conn, rest) {
    const [idle, read, write] = rest.split(' ').map(Number);
    return done(conn.setTimeouts({ idle, read, write }));
  },
  option: setOption,
  info,
  remote: (_, conn) => address(conn, 'remote'),
  local: (_, conn) => address(conn, 'local'),
  credentials: (_, conn) => conn.peerCredentials(),
  run,
  keep: (_, conn, count) => done(conn.keep(Number(count))),
  timer: setTimer,
  cancel: (world, _, number) => cancel(world, number),
  context,
};

/** Makes a call: its result. */
export function onConn(world, conn, line) {
  const [name, rest] = split(line);
  if (PLAIN.includes(name)) return done(conn[name]());
  if (Object.hasOwn(CALLS, name)) return CALLS[name](world, conn, rest);
  complain(`unknown call ${line}`);
  return 'unknown';
}
