// What the subject tells the runner.

// A runner that is gone is told nothing.
process.stdout.on('error', () => {});

/** All callbacks come on the JavaScript thread; inline that is the process's own, which turns the loop. */
export const thread = process.argv.includes('--inline') ? process.pid : 0;

/** Writes an event with its members; a pipe is written to at once. */
export const emit = (event, members = {}) => void process.stdout.write(`${JSON.stringify({ event, ...members })}\n`);

/** Something that no case expects: for whoever reads the runner's output. */
export const complain = (message) => console.error(`subject.mjs: ${message}`);

/** What a result is of a call that may throw or reject: what the protocol calls RESULT, or what the call gives. */
export function outcome(call) {
  try {
    const result = call();
    return result instanceof Promise ? result.then(told, failed) : told(result);
  } catch (error) {
    return failed(error);
  }
}

/** Only a write answers false. */
const told = (result) => (result === false ? 'high' : result === true || result === undefined ? 'ok' : result);
const failed = (error) => error.code ?? String(error);
