// The same package for a CommonJS program.
import reactor = require('reactor-engine');
import net = require('reactor-engine/net');

const server: reactor.Server = new reactor.Server({ onData: (conn, data) => void conn.write(data) });
const id: reactor.ConnId = reactor.ConnId.parse('1');
const goOn: boolean = server.write(id, 'x');
const action: reactor.Action = reactor.Action.Close;
const reason: reactor.CloseReason = 'eof';
const socket: net.Socket = net.connect(1);
void [goOn, action, reason, socket];
