// The command line.
import { parseArgs } from 'node:util';

const NUMBERS = [
  ...['loops', 'high-water', 'low-water', 'hard-limit', 'byte-budget', 'read-budget'],
  ...['linger-ms', 'stall-limit-ms'],
];
const FLAGS = ['keep-on-overflow', 'no-trace', 'inline', 'hosted'];
const SCRIPTS = ['on-start', 'on-open', 'on-drain', 'on-close'];

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/** What the subject was told: {urls, config, mode, scripts, trace}. */
export function options() {
  const text = Object.fromEntries([...NUMBERS, ...SCRIPTS, 'mode'].map((name) => [name, { type: 'string' }]));
  const flags = Object.fromEntries(FLAGS.map((name) => [name, { type: 'boolean' }]));
  const { values } = parseArgs({ options: { ...text, ...flags, listen: { type: 'string', multiple: true } } });
  const { listen: urls = [], mode = 'script' } = values;
  if (mode !== 'script' && mode !== 'echo') throw new Error(`unknown mode ${mode}`);
  const config = Object.fromEntries(NUMBERS.map((name) => [camel(name), Number(values[name] ?? 0)]));
  config.keepOnOverflow = values['keep-on-overflow'] ?? false;
  if (values.inline) {
    config.mode = 'inline';
    // What a case asks for is about a server that is its host's.
    if (!values.hosted) config.loops = 1;
  }
  const scripts = Object.fromEntries(SCRIPTS.map((name) => [camel(name), values[name] ?? '']));
  return { urls, config, mode, scripts, trace: !values['no-trace'] };
}
