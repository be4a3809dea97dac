// The command line.
import { parseArgs } from 'node:util';

const NUMBERS = [
  ...['loops', 'high-water', 'low-water', 'hard-limit', 'byte-budget', 'read-budget', 'linger-ms', 'stall-limit-ms'],
  ...['max-connections', 'max-connections-per-address', 'stop-deadline-ms'],
];
const FLAGS = ['keep-on-overflow', 'pin', 'no-trace', 'signals', 'listen-inherited', 'inline', 'hosted'];
const SCRIPTS = ['on-start', 'on-open', 'on-drain', 'on-close', 'on-eof', 'on-wake', 'on-timer'];
const TEXTS = ['mode', 'outgoing-mode', 'listen-options', 'balance', 'ticks', 'log'];
const MODES = ['echo', 'script', 'keep', 'data', 'sink'];

export const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
const numberOrNone = (text) => (text === 'none' ? null : Number(text));

/** What the subject was told: {urls, config, mode, scripts, trace, …}. */
export function options() {
  const text = Object.fromEntries([...NUMBERS, ...SCRIPTS, ...TEXTS].map((name) => [name, { type: 'string' }]));
  const flags = Object.fromEntries(FLAGS.map((name) => [name, { type: 'boolean' }]));
  const { values } = parseArgs({ options: { ...text, ...flags, listen: { type: 'string', multiple: true } } });
  const { listen: urls = [], mode = 'script', 'outgoing-mode': outgoingMode = 'data', ticks, log, signals = false } = values;
  for (const given of [mode, outgoingMode]) if (!MODES.includes(given)) throw new Error(`unknown mode ${given}`);
  const config = Object.fromEntries(NUMBERS.map((name) => [camel(name), numberOrNone(values[name] ?? 0)]));
  config.keepOnOverflow = values['keep-on-overflow'] ?? false;
  config.pin = values.pin ?? false;
  if (values.balance) config.balance = values.balance;
  if (log) config.logLevel = log;
  if (values.inline) {
    config.mode = 'inline';
    // What a case asks for is about a server that is its host's.
    if (!values.hosted) config.loops = 1;
  }
  const scripts = Object.fromEntries(SCRIPTS.map((name) => [camel(name), values[name] ?? '']));
  return {
    urls,
    config,
    mode,
    outgoingMode,
    scripts,
    trace: !values['no-trace'],
    ticks: ticks ? ticks.split(',') : [],
    log,
    signals,
    listenInherited: values['listen-inherited'] ?? false,
    listenOptions: values['listen-options'] ?? '',
  };
}
