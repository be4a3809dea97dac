// The command line.
import { parseArgs } from 'node:util';

const NUMBERS = ['loops', 'high-water', 'low-water', 'hard-limit', 'read-budget', 'linger-ms'];
const SCRIPTS = ['on-start', 'on-open', 'on-drain', 'on-close'];

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/** What the subject was told: {urls, config, mode, scripts, trace}. */
export function options() {
  const text = Object.fromEntries([...NUMBERS, ...SCRIPTS, 'mode'].map((name) => [name, { type: 'string' }]));
  const { values } = parseArgs({
    options: { ...text, listen: { type: 'string', multiple: true }, 'no-trace': { type: 'boolean' } },
  });
  const { listen: urls = [], mode = 'script' } = values;
  if (mode !== 'script' && mode !== 'echo') throw new Error(`unknown mode ${mode}`);
  const config = Object.fromEntries(NUMBERS.map((name) => [camel(name), Number(values[name] ?? 0)]));
  const scripts = Object.fromEntries(SCRIPTS.map((name) => [camel(name), values[name] ?? '']));
  return { urls, config, mode, scripts, trace: !values['no-trace'] };
}
