// The peer Node: `server.mjs KIND URL`, with KIND `echo`, `frames`, `kv`, `http`, `udp` or `broadcast`.
//
// After Node's documentation: "Net" (the echo server under net.createServer), "Stream" (`write()` and 'drain'), "HTTP"
// (http.createServer), "UDP/datagram sockets". Set here: a backlog of 4,096, TCP_NODELAY on for net (on by default for http).
// Messages and commands are cut by hand, in a tight loop over the bytes of a read, and their answers leave joined in one write: faster
// than a write for each under `cork()`.

import dgram from 'node:dgram'
import http from 'node:http'
import net from 'node:net'

import { obey } from './cache.mjs'
import { Commands } from './resp.mjs'

const BACKLOG = 4096
const LENGTH = 4
const MAX_BODY = 4 << 20
// Unsent bytes with which a connection that does not read is given up.
const MAX_UNSENT = 64 << 20

/** Sends every byte back. */
function echo(socket) {
  socket.pipe(socket)
}

/** Cuts a stream into messages, each with the four bytes of its length. */
class Messages {
  chunks = []
  // Bytes in the chunks, and how many there must be before another look at them is worth it.
  size = 0
  wanted = LENGTH

  /** The messages that this chunk completes; undefined if one is too large. */
  take(chunk) {
    this.chunks.push(chunk)
    this.size += chunk.length
    if (this.size < this.wanted) return []
    const data = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.size)
    const messages = []
    let start = 0
    this.wanted = LENGTH
    while (start + LENGTH <= data.length) {
      const length = data.readUInt32BE(start)
      if (length > MAX_BODY) return undefined
      if (start + LENGTH + length > data.length) {
        this.wanted = LENGTH + length
        break
      }
      messages.push(data.subarray(start, start + LENGTH + length))
      start += LENGTH + length
    }
    this.chunks = start < data.length ? [data.subarray(start)] : []
    this.size = data.length - start
    return messages
  }
}

/** Answers each message of a stream, those of a read in one write. A peer that does not read is not read. */
function answering(stream, answer) {
  return (socket) => {
    const messages = stream()
    socket.on('data', (chunk) => {
      const found = messages.take(chunk)
      if (found === undefined) {
        socket.destroy()
        return
      }
      if (found.length === 0) return
      const answers = found.map(answer)
      if (!socket.write(answers.length === 1 ? answers[0] : Buffer.concat(answers))) socket.pause()
    })
    socket.on('drain', () => socket.resume())
  }
}

/** Sends every message back. */
const frames = answering(() => new Messages(), (message) => message)
/** Serves the cache. */
const kv = answering(() => new Commands(), obey)

/** Sends what anybody says to everybody. */
function broadcast() {
  const sockets = new Set()
  const tell = (socket, chunk) => {
    if (socket.writableLength > MAX_UNSENT) socket.resetAndDestroy()
    else socket.write(chunk)
  }
  return (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      for (const other of sockets) tell(other, chunk)
      if (socket.writableNeedDrain) socket.pause()
    })
    socket.on('drain', () => socket.resume())
  }
}

function serve(session, url) {
  const server = net.createServer({ noDelay: true }, (socket) => {
    // How a connection ends, and be it by a reset, concerns nobody else.
    socket.on('error', () => {})
    session(socket)
  })
  listen(server, url)
}

function serveHttp(url) {
  const server = http.createServer((request, response) => {
    const known = request.method === 'GET' && request.url === '/'
    const page = known ? 'Hello, world!' : 'Not found'
    response.writeHead(known ? 200 : 404, { 'Content-Type': 'text/plain', 'Content-Length': page.length })
    response.end(page)
  })
  listen(server, url)
}

function listen(server, url) {
  server.listen({ host: url.hostname, port: Number(url.port), backlog: BACKLOG }, () => {
    announce('tcp', server.address())
  })
}

function serveDatagrams(url) {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (message, sender) => {
    // Given a callback, a datagram that cannot be sent is lost; without one, the error would end the process.
    socket.send(message, sender.port, sender.address, () => {})
  })
  socket.bind(Number(url.port), url.hostname, () => announce('udp', socket.address()))
}

function announce(scheme, { address, port }) {
  process.stdout.write(`listening on ${scheme}://${address}:${port}\n`)
}

function main([kind, text]) {
  const kinds = {
    echo: (url) => serve(echo, url),
    frames: (url) => serve(frames, url),
    kv: (url) => serve(kv, url),
    broadcast: (url) => serve(broadcast(), url),
    http: serveHttp,
    udp: serveDatagrams,
  }
  if (text === undefined || !Object.hasOwn(kinds, kind)) {
    process.stderr.write(`usage: server.mjs {${Object.keys(kinds).join('|')}} URL\n`)
    process.exitCode = 2
    return
  }
  // In a URL of an unknown scheme, and tcp is one, host and port are told apart all the same.
  kinds[kind](new URL(text))
}

main(process.argv.slice(2))
