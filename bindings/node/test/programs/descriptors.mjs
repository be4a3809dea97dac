// A program for told.test.mjs: an echo server that says where it listens, and runs until its standard input ends.
import { Server } from 'reactor-engine';

const server = new Server({ onData: (conn, data) => void conn.write(data) }, { loops: Number(process.argv[2]) });
console.log(server.listen('tcp://127.0.0.1:0'));
await server.start();
process.stdin.resume().on('end', () => void server.stop());
