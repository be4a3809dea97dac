// Which calls any thread can make.
import { split } from './text.mjs';

/**
 * Calls that a handle of the server has: on connections, and on the server. Its pauses, holds and releases come a moment later, and cases do
 * not wait.
 */
const FOR_ANY_THREAD = {
  conn: [
    ...['write', 'text', 'bytes', 'gather', 'frame', 'send-to', 'info'],
    ...['end', 'close', 'abort', 'detach', 'wake'],
  ],
  server: ['metrics', 'stop', 'stop-gracefully'],
};

/** Whether any thread can make a call, with a handle for the server. */
export function isForAnyThread(line) {
  const [target, text] = split(line.trimEnd());
  const [name] = split(text);
  if (target === 'server') return FOR_ANY_THREAD.server.includes(name);
  return /^\d+$/.test(target) && FOR_ANY_THREAD.conn.includes(name);
}
