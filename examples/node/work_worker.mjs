// A thread of the pool: it works answers out.
import { parentPort } from 'node:worker_threads';

const MAX_SLEEP = 60_000;
const MAX_PRIMES = 10_000_000;

/** What is wrong with a request. */
class Wrong extends Error {}

/**
 * @param {string} text
 * @param {number} most
 */
function number(text, most) {
  if (/^\d{1,19}$/.test(text) && Number(text) <= most) return Number(text);
  throw new Wrong(`"${text}" is not a number from 0 to ${most}`);
}

/** @param {number} milliseconds */
function sleep(milliseconds) {
  // Nobody wakes it. Like a computation it keeps the thread.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * The sieve of Eratosthenes.
 * @param {number} end
 */
function primesBelow(end) {
  const isPrime = new Uint8Array(end).fill(1).fill(0, 0, 2);
  for (let factor = 2; factor * factor < end; factor += 1) {
    if (!isPrime[factor]) continue;
    for (let multiple = factor * factor; multiple < end; multiple += factor) isPrime[multiple] = 0;
  }
  return isPrime.reduce((count, one) => count + one, 0);
}

/** @param {string} request */
function answer(request) {
  const [command, rest = ''] = partition(request);
  if (command === 'primes') return String(primesBelow(number(rest, MAX_PRIMES)));
  if (command !== 'sleep') throw new Wrong('unknown request: there are sleep MILLISECONDS TEXT and primes N');
  const [milliseconds = '', text] = partition(rest);
  sleep(number(milliseconds, MAX_SLEEP));
  return text;
}

/**
 * What stands in front of the first blank, and what behind it.
 * @param {string} text
 */
function partition(text) {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

parentPort?.on('message', (/** @type {string} */ request) => {
  try {
    parentPort?.postMessage(answer(request));
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    parentPort?.postMessage(`error: ${error.message}`);
  }
});
