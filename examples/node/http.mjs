// A web server for one page: HTTP/1.1 with keep-alive and pipelining, and HTTP/1.0.
//
// node http.mjs --listen URL [--listen URL]... [--loops N]; then `curl http://127.0.0.1:PORT/`.
//
// It is strict where two readers of the same bytes could see different requests: line ends, lengths, header names. llhttp, the
// parser of Node, reads the headers. It does not see request lines, because it refuses methods and targets that it does not know, nor
// bodies, because it stops reading where an upgrade is asked for. Its differences from Rust's parser that show: `Proxy-Connection`
// counts as `Connection`, and bytes beyond ASCII may stand in a target.
import { Action } from 'reactor-engine';

import { Body, Malformed } from './http_body.mjs';
import { parseHead } from './http_parser.mjs';
import { checkStreams, parse, serve } from './launch.mjs';

const PAGE = 'Hello, world!';
/** Request line and headers may have so many bytes. */
const MAX_HEAD = 16 << 10;
const MAX_HEADERS = 64;
/** A client that says nothing for so many milliseconds is closed. */
const IDLE = 60_000;

const [CR, LF] = Buffer.from('\r\n');
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) (HTTP\/1\.[01])\r\n/;
/** How a request begins of which the rest has not come yet. */
const BEGINNING = /^(\r?$|[!#$%&'*+\-.^_`|~0-9A-Za-z]+( |$))/;
/** A line that ends otherwise than by CR and LF, or goes on in the next one. The last LF may not have come yet. */
const WRONG_LINE = /(^|[^\r])\n|\r(?!\n|$)|\n[ \t]/;

/** What is no request; the message is the status of the answer. */
class Refusal extends Error {}

const BAD = '400 Bad Request';
const TOO_LARGE = '431 Request Header Fields Too Large';

/**
 * @param {string} method
 * @param {string} target
 */
function statusOf(method, target) {
  if (method === 'OPTIONS' && target === '*') return '200 OK'; // Of the server as a whole.
  // A proxy may send the whole URL.
  const path = target.replace(/\?.*$/, '').replace(/^http:\/\/[^/]*\/?/i, '/');
  if (path !== '/') return '404 Not Found';
  return ['GET', 'HEAD', 'OPTIONS'].includes(method) ? '200 OK' : '405 Method Not Allowed';
}

/**
 * @param {string} status
 * @param {string} [method]
 * @param {string} [connection]
 */
function response(status, method = 'GET', connection = 'close') {
  const isOk = status.startsWith('200');
  const body = !isOk ? status : method === 'OPTIONS' ? '' : PAGE;
  const lines = [`HTTP/1.1 ${status}`, 'Content-Type: text/plain', `Content-Length: ${body.length}`];
  if (method === 'OPTIONS' || status.startsWith('405')) lines.push('Allow: GET, HEAD, OPTIONS');
  if (connection) lines.push(`Connection: ${connection}`);
  return [...lines, '', method === 'HEAD' ? '' : body].join('\r\n');
}

/** Request line and headers. */
class Head {
  #headers;

  /** @param {string} text whole */
  constructor(text) {
    const [line, method = '', target = '', version = ''] = REQUEST_LINE.exec(text) ?? [];
    if (line === undefined || WRONG_LINE.test(text)) throw new Refusal(BAD);
    const found = parseHead(`GET / ${version}${text.slice(line.length - 2)}`);
    if (!found) throw new Refusal(BAD);
    this.method = method;
    this.target = target;
    this.isOld = version === 'HTTP/1.0';
    this.keepsAlive = found.keepsAlive;
    this.#headers = found.headers;
    this.#check();
  }

  /** @param {string} name in small letters */
  #values(name) {
    return this.#headers.filter((header) => header[0] === name).map((header) => header[1]);
  }

  /**
   * Of a header with a list, `a, b`.
   * @param {string} name
   */
  words(name) {
    return this.#values(name).flatMap((value) => value.split(',')).map((word) => word.trim().toLowerCase());
  }

  /** What the parser lets pass. */
  #check() {
    if (this.#headers.length > MAX_HEADERS) throw new Refusal(TOO_LARGE);
    const codings = this.words('transfer-encoding');
    const hosts = this.#values('host').length;
    if (hosts > 1 || (hosts === 0 && !this.isOld) || (codings.length > 0 && this.isOld)) throw new Refusal(BAD);
    if (codings.length > 0 && String(codings) !== 'chunked') throw new Refusal('501 Not Implemented');
  }

  body() {
    if (this.#values('transfer-encoding').length > 0) return new Body({ inChunks: true });
    return new Body({ length: Number(this.#values('content-length')[0] ?? 0) });
  }
}

/**
 * What a connection remembers. A request is answered when its head is there. Nobody wants its body: it is skipped, and so read to its
 * end.
 */
class Client {
  #body = new Body();
  #answers = '';
  /** Nothing may follow. */
  isOver = false;

  /**
   * Answers the requests in the input.
   * @param {Buffer} data
   * @returns {{ answers: string, left: number }} what to send, and how many bytes of the input are of something that is not whole yet
   */
  read(data) {
    let at = 0;
    this.#answers = '';
    try {
      while (at < data.length && !this.isOver) {
        const end = this.#body.isOver ? this.#readHead(data, at) : this.#body.skip(data, at);
        if (end === at) break;
        at = end;
      }
    } catch (error) {
      this.isOver = true;
      if (error instanceof Refusal) this.#answers += response(error.message);
      // Of a body the answer was given before. Nobody knows where the next request would begin.
      else if (!(error instanceof Malformed)) throw error;
    }
    return { answers: this.#answers, left: data.length - at };
  }

  /**
   * Answers a request.
   * @param {Buffer} data
   * @param {number} at
   * @returns {number} where it ends; where it begins if it is not whole
   */
  #readHead(data, at) {
    if (data[at] === CR && data[at + 1] === LF) return at + 2; // An empty line may stand in front.
    const end = data.indexOf('\r\n\r\n', at, 'latin1') + 4;
    if (end >= 4 && end - at <= MAX_HEAD) {
      this.#answer(new Head(data.toString('latin1', at, end)));
      return end;
    }
    const text = data.toString('latin1', at, at + MAX_HEAD + 1);
    if (!BEGINNING.test(text) || WRONG_LINE.test(text)) throw new Refusal(BAD);
    if (text.length > MAX_HEAD) throw new Refusal(TOO_LARGE);
    return at;
  }

  /** @param {Head} head */
  #answer(head) {
    this.#body = head.body();
    const expects = !head.isOld && !this.#body.isOver && head.words('expect').includes('100-continue');
    if (expects) this.#answers += 'HTTP/1.1 100 Continue\r\n\r\n';
    this.isOver = !head.keepsAlive;
    const connection = this.isOver ? 'close' : head.isOld ? 'keep-alive' : '';
    this.#answers += response(statusOf(head.method, head.target), head.method, connection);
  }
}

/** @type {import('reactor-engine').Handler} */
const handler = {
  onOpen(conn) {
    conn.context = new Client();
  },

  onData(conn, data) {
    /** @type {Client} */
    const client = conn.context;
    const { answers, left } = client.read(data);
    if (answers) conn.write(answers);
    if (client.isOver) return Action.Close;
    // It comes again, in front of the rest.
    conn.keep(left);
    return Action.None;
  },
};

const flags = parse({});
checkStreams(flags);
await serve(handler, flags, { idle: IDLE });
