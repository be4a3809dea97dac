// Framings from their SPEC.
import { ReactorError, delimiter, fixed, lengthField, line, resp } from 'reactor-engine';

const hex = (text) => Buffer.from(text, 'hex');
const numberOr = (word) => (text) => (text === word ? word : Number(text));

function length([width, order, offset, adjustment, strip], options) {
  const field = { width: numberOr('varint')(width), order };
  const further = offset === undefined ? {} : { offset: Number(offset), adjustment: Number(adjustment), strip: numberOr('header')(strip) };
  return lengthField({ ...field, ...further, ...options });
}

const KINDS = {
  line: (_, options) => line(options),
  fixed: ([size], options) => fixed(Number(size), options),
  delimiter: ([hexes], options) => delimiter(hexes.split('+').map(hex), options),
  length,
  resp: ([count], options) => resp(count === undefined ? options : { maxArguments: Number(count), ...options }),
  custom() {
    throw new ReactorError('UNSUPPORTED', 'n/a');
  },
};

/** A framing and whether there is one, from `line`, `length:2:big:rest:max=80` and the like. */
export function framingOf(spec) {
  const options = {};
  let [text, size] = spec.split(':max=');
  if (size !== undefined) options.maxFrame = Number(size);
  for (const [suffix, name] of [[':keep', 'keepDelimiter'], [':rest', 'deliverRest']]) {
    if (!text.endsWith(suffix)) continue;
    options[name] = true;
    text = text.slice(0, -suffix.length);
  }
  const [kind, ...parts] = text.split(':');
  return kind === 'none' ? null : KINDS[kind](parts, options);
}
