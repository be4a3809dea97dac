// The Node subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the protocol
// in conformance/PROTOCOL.md.
import { Action, ReactorError, Server } from 'reactor-engine';

import { control } from './control.mjs';
import { options } from './options.mjs';
import { complain, emit } from './report.mjs';
import { NOTHING, play, take } from './script.mjs';

/** What the engine tells without being asked is no case's matter here. Some have it listen late, or never. */
const untold = ['REACTOR_NOT_LISTENING', 'REACTOR_ENGINE'];
const { emitWarning } = process;
process.emitWarning = (warning, ...more) => {
  if (!untold.includes(warning?.code)) emitWarning.call(process, warning, ...more);
};

/** The handler: reports every callback and carries out its script. */
function subject({ config, mode, scripts, trace }) {
  // All callbacks come on the JavaScript thread; inline that is the process's own, which turns the loop.
  const thread = config.mode === 'inline' ? process.pid : 0;
  let server;
  const say = (event, conn, members) => void (trace && emit(event, { id: String(conn.id), ...members }));
  return {
    onStart(self) {
      server = self;
      emit('start', { thread });
      if (scripts.onStart === 'fail') throw new Error('told to fail');
      if (scripts.onStart === 'stop-call') void server.stop();
      return scripts.onStart === 'stop' ? Action.Stop : Action.None;
    },
    onOpen(conn) {
      conn.data = { mode, partial: NOTHING };
      say('open', conn, { thread });
      return play({ conn, server }, scripts.onOpen);
    },
    onData: (conn, data) => take({ conn, server }, data),
    onDrain(conn) {
      say('drain', conn);
      return play({ conn, server }, scripts.onDrain);
    },
    onClose(conn, reason, errno) {
      say('close', conn, { reason, errno, thread });
      return play({ conn, server }, scripts.onClose);
    },
    onStop: () => emit('stop'),
    onError: (error, conn) => emit('failed', { message: error.message, id: conn && String(conn.id) }),
  };
}

async function main() {
  const told = options();
  const server = new Server(subject(told), told.config);
  const start = async () => {
    await server.start();
    // Nothing waits for it: standard input keeps the process alive.
    void server.wait().then(() => emit('ended'));
  };
  const urls = told.urls.map((url) => server.listen(url));
  if (urls.length > 0) {
    emit('listening', { urls });
    await start();
  }
  await control(server, start);
}

main().catch((error) => {
  if (error instanceof ReactorError) {
    emit('error', { kind: error.code, message: error.message, errno: error.errno ?? null });
  } else {
    complain(error.message);
  }
  process.exitCode = 1;
});
