// What the subject tells the runner.

// A runner that is gone is told nothing.
process.stdout.on('error', () => {});

/** Writes an event with its members; a pipe is written to at once. */
export const emit = (event, members = {}) => void process.stdout.write(`${JSON.stringify({ event, ...members })}\n`);

/** Something that no case expects: for whoever reads the runner's output. */
export const complain = (message) => console.error(`subject.mjs: ${message}`);

/** What the protocol calls RESULT, of a call that may throw. */
export function outcome(call) {
  try {
    return call() === false ? 'high' : 'ok';
  } catch (error) {
    return error.code ?? String(error);
  }
}

/** The same of a promise. */
export const outcomeOf = (promise) => promise.then(() => 'ok', (error) => error.code ?? String(error));
