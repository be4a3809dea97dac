// The Node subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the protocol
// in conformance/PROTOCOL.md.
import { Action, ReactorError, Server } from 'reactor-engine';

import { World } from './calls.mjs';
import { control, prepare } from './control.mjs';
import { goOn } from './detached.mjs';
import { cutBy } from './framings.mjs';
import { options } from './options.mjs';
import { complain, emit, thread } from './report.mjs';
import { NOTHING, play, take, takeCommand, takeDatagram } from './script.mjs';
import { ofListener } from './terms.mjs';

/** What the engine tells without being asked is no case's matter here. Some have it listen late, or never. */
const untold = ['REACTOR_NOT_LISTENING', 'REACTOR_ENGINE'];
const { emitWarning } = process;
process.emitWarning = (warning, ...more) => {
  if (!untold.includes(warning?.code)) emitWarning.call(process, warning, ...more);
};

/** How the input of listeners is cut, by their numbers: see `cutBy`. */
const framed = new Map();

/** Whose connection it is; of one that has ended before this thread was told of it nobody can say. */
function listenerOf(conn) {
  try {
    return conn.info().listener;
  } catch {
    return null;
  }
}

/** How its input is cut. All listeners of the command line have one framing. */
const framedBy = (listener) => (listener === null ? [...framed.values()][0] : framed.get(listener));

/** The handler: reports every callback and carries out its script. */
function subject({ mode, outgoingMode, scripts, trace, ticks, log }, world) {
  let server;
  const say = (event, conn, members) => void (trace && emit(event, { id: String(conn.id), ...members }));
  const on = (conn) => ({ conn, server, world });
  const played = (script) => (conn) => play(on(conn), scripts[script]);
  const traced = (event, script) => (conn) => (say(event, conn, { thread }), played(script)(conn));
  const handler = {
    onStart(self) {
      server = self;
      emit('start', { thread });
      if (scripts.onStart === 'fail') throw new Error('told to fail');
      if (scripts.onStart === 'stop-call') void server.stop();
      return scripts.onStart === 'stop' ? Action.Stop : Action.None;
    },
    onOpen(conn) {
      const listener = listenerOf(conn);
      const isOutgoing = conn.data?.isOutgoing ?? false;
      const own = isOutgoing ? { mode: outgoingMode, ...conn.data } : { mode, framed: framedBy(listener) };
      conn.data = { partial: NOTHING, ...own };
      say('open', conn, { listener, thread });
      return isOutgoing ? undefined : played('onOpen')(conn);
    },
    onData: (conn, data) => take(on(conn), data),
    onDatagram(conn, data, { sender, destination, interface: number, size, truncated }) {
      // An endpoint has no onOpen.
      conn.data ??= { mode, partial: NOTHING };
      say('datagram', conn, { sender, to: destination, interface: number, size, truncated, thread });
      return takeDatagram(on(conn), data);
    },
    onCommand: (conn, args) => takeCommand(on(conn), args),
    onDrain(conn) {
      say('drain', conn);
      return played('onDrain')(conn);
    },
    onEof: traced('eof', 'onEof'),
    onWake(conn) {
      conn.data ??= { mode, partial: NOTHING };
      say('wake', conn, { thread });
      return played('onWake')(conn);
    },
    onTimer(conn, timer) {
      emit('timer', { id: String(conn.id), timer: timer.id, result: null, thread });
      return played('onTimer')(conn);
    },
    onDetach: goOn,
    onClose(conn, reason, errno) {
      conn.data ??= {};
      say('close', conn, { reason, errno, thread });
      return played('onClose')(conn);
    },
    onTick() {
      const step = ticks.shift();
      if (step === undefined) return null;
      emit('tick', { thread });
      if (step === 'fail') throw new Error('told to fail');
      if (step === 'stop') return void server.stop();
      return Number(step);
    },
    onStopping: () => emit('stopping', { thread }),
    onStop: () => emit('stop'),
  };
  if (log) handler.onLog = (level, message) => emit('log', { level, message });
  else handler.onError = (error, conn) => emit('failed', { message: error.message, id: conn && String(conn.id) });
  return handler;
}

/** Listens as the command line says; where. */
function listen(server, { urls, listenOptions, listenInherited }) {
  const options = ofListener(listenOptions);
  const bound = urls.map((url) => server.listen(url, options));
  if (listenInherited) bound.push(...server.listenInherited(options));
  server.listeners.forEach(({ listener }) => framed.set(listener, cutBy(options.framing)));
  return bound;
}

/** Has SIGTERM and SIGINT stop the server, as `serve` does. */
function stopOnSignals(server) {
  let stops = 0;
  const stop = () => void ((stops += 1) === 1 ? server.stopGracefully() : server.stop());
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
}

async function main() {
  const told = options();
  const world = new World();
  const server = new Server(subject(told, world), told.config);
  if (told.signals) stopOnSignals(server);
  const start = async () => {
    await server.start();
    // Nothing waits for it: standard input keeps the process alive.
    void server.wait().then(() => world.end()).then(() => emit('ended'));
  };
  await prepare();
  const urls = listen(server, told);
  if (urls.length > 0) {
    emit('listening', { urls });
    await start();
  }
  await control({ server, world, conn: null }, start);
}

main().catch((error) => {
  if (error instanceof ReactorError) {
    emit('error', { kind: error.code, message: error.message, errno: error.errno ?? null });
  } else {
    complain(error.message);
  }
  process.exitCode = 1;
});
