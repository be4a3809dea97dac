// llhttp, the parser of Node, for the heads of requests. It is the one that undici brings along, made WebAssembly.
import { createRequire } from 'node:module';

import { fail } from './launch.mjs';

/**
 * What it finds: the headers in order, their names in small letters; and whether the client wants the connection to go on.
 * @typedef {{ headers: [name: string, value: string][], keepsAlive: boolean }} Found
 */

const OK = 0;
const REQUEST = 1;
/** Bytes that it reads at once, at most: those of one head. */
const ROOM = 32 << 10;

/** Its code, if undici is there. */
function code() {
  try {
    return createRequire(import.meta.url)('undici/lib/llhttp/llhttp-wasm.js');
  } catch (error) {
    const [message] = /** @type {Error} */ (error).message.split('\n');
    return fail(`${message}: run \`make build\`, or \`npm install\` in examples/node`);
  }
}

const { instance } = await WebAssembly.instantiate(code(), {
  env: {
    wasm_on_message_begin: () => OK,
    wasm_on_url: () => OK,
    wasm_on_status: () => OK,
    wasm_on_body: () => OK,
    wasm_on_message_complete: () => OK,
    wasm_on_header_field: onName,
    wasm_on_header_value: onValue,
    wasm_on_headers_complete: onHead,
  },
});
/** @type {any} */
const llhttp = instance.exports;
llhttp._initialize();
const parser = llhttp.llhttp_alloc(REQUEST);
const room = llhttp.malloc(ROOM);
// It never asks for more memory than it had when it was made, which would be another buffer.
const memory = Buffer.from(llhttp.memory.buffer);

/** @type {Found['headers']} */
let headers = [];
/** @type {boolean | undefined} */
let keepsAlive;

/**
 * @param {number} _
 * @param {number} at
 * @param {number} length
 */
function onName(_, at, length) {
  headers.push([memory.toString('latin1', at, at + length).toLowerCase(), '']);
  return OK;
}

/**
 * @param {number} _
 * @param {number} at
 * @param {number} length
 */
function onValue(_, at, length) {
  const header = headers.at(-1);
  if (header) header[1] += memory.toString('latin1', at, at + length);
  return OK;
}

/**
 * @param {number} _
 * @param {number} __
 * @param {number} ___
 * @param {number} shouldKeepAlive
 */
function onHead(_, __, ___, shouldKeepAlive) {
  keepsAlive = shouldKeepAlive !== 0;
  return OK;
}

/**
 * @param {string} head whole, as the bytes came
 * @returns {Found | undefined} nothing if it is malformed
 */
export function parseHead(head) {
  headers = [];
  keepsAlive = undefined;
  llhttp.llhttp_reset(parser);
  const length = memory.write(head, room, ROOM, 'latin1');
  llhttp.llhttp_execute(parser, room, length);
  // What it says of the body's coding, behind the head, is no matter.
  return keepsAlive === undefined ? undefined : { headers, keepsAlive };
}
