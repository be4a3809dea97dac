// A pool of threads: each is a Worker that answers one request at a time.
import { Worker } from 'node:worker_threads';

/**
 * A request, whom to answer, and whether anybody waits for the answer.
 * @typedef {{ request: string, resolve: (answer: string) => void, isWanted: () => boolean }} Job
 */

export class Pool {
  /** @type {Job[]} */
  #jobs = [];
  #workers;
  /** Those that have nothing to do. */
  #idle;

  /** @param {number} threads */
  constructor(threads) {
    this.#workers = Array.from({ length: threads }, () => new Worker(new URL('work_worker.mjs', import.meta.url)));
    this.#idle = [...this.#workers];
  }

  /**
   * @param {string} request
   * @param {() => boolean} isWanted asked when a thread has come to it
   * @returns {Promise<string>} the answer; nothing if it is not wanted
   */
  ask(request, isWanted) {
    return new Promise((resolve) => {
      this.#jobs.push({ request, resolve, isWanted });
      this.#assign();
    });
  }

  #assign() {
    while (this.#idle.length > 0 && this.#jobs.length > 0) {
      const { request, resolve, isWanted } = /** @type {Job} */ (this.#jobs.shift());
      if (isWanted()) this.#give(/** @type {Worker} */ (this.#idle.pop()), request, resolve);
      else resolve('');
    }
  }

  /**
   * @param {Worker} worker
   * @param {string} request
   * @param {(answer: string) => void} resolve
   */
  #give(worker, request, resolve) {
    worker.once('message', (answer) => {
      this.#idle.push(worker);
      resolve(answer);
      this.#assign();
    });
    worker.postMessage(request);
  }

  /** Ends the threads, whatever they are doing. */
  async end() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
