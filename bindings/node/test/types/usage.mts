// Compiled with --strict, never run: what a TypeScript program may write, and what it may not.
import { Action, CloseReason, Conn, ConnId, ErrorCode, ReactorError, Server } from 'reactor-engine';
import type { Handler, Options } from 'reactor-engine';

const options: Options = { loops: 2, highWater: 1, lowWater: 1, hardLimit: 1, readBudget: 1, lingerMs: 1, byteBudget: 1, stallLimitMs: 1, keepOnOverflow: true };

class Session implements Handler {
  onStart(server: Server): void {
    const addresses: string[] = server.addresses;
    void addresses;
  }

  async onOpen(conn: Conn) {
    conn.data = { name: 'x' };
    return Action.None;
  }

  onData(conn: Conn, data: Buffer) {
    const goOn: boolean = conn.write(data.subarray(1));
    conn.hold();
    conn.release();
    return goOn ? undefined : Action.Close;
  }
}

const handler: Handler = {
  onDrain: (conn) => conn.close(),
  onClose(conn, reason, errno) {
    const id: ConnId = conn.id;
    const text: string = id.toString();
    const number: number | null = errno;
    return reason === CloseReason.Reset && number === 104 && text ? Action.Stop : null;
  },
  onStop: (server) => void server.connections,
  onError: (error, conn) => console.error(error.message, conn?.isOpen),
};

// What callbacks are given and answer can be named.
let last: CloseReason = CloseReason.Eof;
const answers = (reason: CloseReason, wanted: ErrorCode): Action => {
  last = reason;
  return reason === CloseReason.Eof && wanted === ErrorCode.Closed ? Action.None : Action.Stop;
};
void [last, answers];
// @ts-expect-error no such action
const wrong: Action = 'close';
void wrong;

const server: Server = new Server(handler, options);
new Server(new Session());
new Server({});
const address: string = server.listen('tcp://:0');
const started: Promise<void> = server.start();
const stopped: Promise<void>[] = [server.run({ handleSignals: false }), server.run(), server.wait(), server.stop()];
const counts: number[] = [server.loops, server.connections, server.queuedBytes];
const pressure: boolean = server.write(ConnId.parse('1'), 'text') && server.write(ConnId.parse('1'), new Uint8Array(1));
server.close(ConnId.parse('1'));
server.hold(ConnId.parse('1'));
server.release(ConnId.parse('1'));
void [address, started, stopped, counts, pressure];

try {
  server.listen('x');
} catch (error) {
  if (error instanceof ReactorError && error.code === ErrorCode.AddressInUse) {
    const errno: number | undefined = error.errno;
    void [errno, error.cause];
  }
}

// @ts-expect-error a handler is required
new Server();
// @ts-expect-error no such callback takes a number
new Server({ onData: 5 });
// @ts-expect-error an action is not a string
new Server({ onData: () => 'close' });
// @ts-expect-error no such action
new Server({ onData: () => 7 });
// @ts-expect-error what write returns is no action
new Server({ onData: (conn, data) => conn.write(data) });
// @ts-expect-error an unknown option
new Server({}, { loop: 1 });
// @ts-expect-error not a number
new Server({}, { loops: '1' });
// @ts-expect-error an id is not a number
server.write(5, 'x');
// @ts-expect-error neither bytes nor a string
server.write(ConnId.parse('1'), 5);
// @ts-expect-error ids are read-only
ConnId.parse('1').low = 5;
// @ts-expect-error a port alone is no address
server.listen(5000);
