// Compiled with --strict, never run: what a TypeScript program may write, and what it may not.
import { Action, CloseReason, Conn, ConnId, Datagram, Detached, ErrorCode, ReactorError, Server, custom, delimiter, fixed, lengthField, line, resp, serve } from 'reactor-engine';
import net, { Socket, connect, setEngineMode } from 'reactor-engine/net';
import type { Answer, ConnInfo, Credentials, Framing, Handler, Listener, ListenOptions, LogLevel, Metrics, Options, ServeOptions, Timer } from 'reactor-engine';

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
const framings: Framing[] = [line({ maxFrame: 5 }), fixed(5), delimiter(['a', new Uint8Array(1)]), lengthField({ width: 'varint' }), resp(), custom((input) => (input.length > 3 ? 4 : null), { maxFrame: 5 })];
const listening: ListenOptions = { backlog: 5, keepalive: [60, 5], multicast: ['239.0.0.1'], framing: framings[0] ?? 'line', halfOpen: true };
server.listen('tcp://:0', listening);
const listeners: Listener[] = server.listeners;
const closing: Promise<void> = server.closeListener(listeners[0] ?? address, { refuse: true });
const inherited: string[] = server.listenInherited(listening);
const measured: Metrics = server.metrics(0);
const eofs: number | undefined = measured.closed.eof;
const delay: number = server.delayPercentile(0.99) + measured.delay.percentile(0.5);
const timer: Timer = server.setTimer(5, (due) => due.cancel(), 5);
const ids: ConnId[] = server.connectionIds();
const all: ServeOptions = { loops: 1, backlog: 5, balance: 'reuseport', byteBudget: null, logLevel: 'info' };
const told: Handler = { onTick: (of) => of.connections, onStopping: (of) => void of.isStopping, onLog: (level: LogLevel, message: string) => message };
const served: Promise<void>[] = [serve(told, 'tcp://:0', 'unix:///x', all), serve(told), serve(told, 'tcp://:0'), server.stopGracefully(5)];
void [closing, inherited, eofs, delay, timer, ids, served, server[Symbol.asyncDispose]];
const every: Handler = {
  async onData(conn, data) {
    conn.keep(1);
    await conn.writeAsync([data, 'x', new DataView(data.buffer)]);
    const goOn: boolean = conn.write('x', (error: ReactorError | null) => error?.code ?? error?.systemCode ?? error?.syscall) && conn.writev(['x', data]) && conn.writeFrame('x', (error) => error?.code);
    conn.setFraming(goOn ? line() : null);
    conn.setTimeouts({ idle: 5 });
    conn.setOptions({ nodelay: true, keepalive: 5 });
    const { address, port } = { address: conn.remoteAddress ?? '', port: conn.localPort ?? 0 };
    const info: ConnInfo = conn.info();
    const who: Credentials = conn.peerCredentials();
    conn.context = { address, port, info, who };
    conn.runOnLoop((of: Conn) => of.abort());
    conn.setFraming((input: Buffer) => input.length);
    if (goOn) conn.detach();
  },
  onCommand: (conn, args) => void conn.write(args[0] ?? 'none'),
  onEof: (conn) => conn.end('bye'),
  onWake: (conn) => (conn.pause(), conn.resume()),
  onTimer: (conn, due: Timer) => void due.cancel(),
  onDetach: (conn, detached: Detached) => void detached.toSocket({ allowHalfOpen: true }).write(detached.input),
  onOpen: (conn) => void conn.setTimer(5, conn.server.loops),
};
const made: Conn = server.connect('tcp://x:1', { timeoutMs: null, context: 5, bind: '::1', framing: line() });
const given: Conn = server.enroll(5, { halfOpen: true });
const nothing: Answer = undefined;
void [made, given, nothing];
const udp: Handler = { onDatagram: (conn, data, datagram: Datagram) => void (conn.write(data) && conn.sendTo(datagram, 'later') && conn.sendTo(datagram.sender, data)) };
server.sendNow();
setEngineMode('inline');
const fronts: net.Server = net.createServer({ allowHalfOpen: true }, (socket) => void socket.end('x')).listen(0);
const socket: Socket = connect({ port: 1 }).setNoDelay(true);
void [fronts, socket.remoteAddress, net.isIP('::1'), new net.BlockList()];
// @ts-expect-error no such mode
setEngineMode('fibers');
server.sendTo(server.endpoints(address)[0] ?? ConnId.parse('1'), { address: '::1', port: 5 }, 'x');
void udp;
const found: Conn = server.conn(ConnId.parse('1'));
void [every, found.remoteFamily === 'IPv4'];
server.runOnLoop(0, (index: number) => index);
// @ts-expect-error no such option
server.listen('tcp://:0', { backlogg: 5 });
// @ts-expect-error a tick is no text
new Server({ onTick: () => 'soon' });
// @ts-expect-error no such balance
new Server({}, { balance: 'fair' });
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
