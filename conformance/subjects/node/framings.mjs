// Framings from their SPEC.
import { custom, delimiter, fixed, lengthField, line, resp } from 'reactor-engine';

const hex = (text) => Buffer.from(text, 'hex');
const numberOr = (word) => (text) => (text === word ? word : Number(text));

function length([width, order, offset, adjustment, strip], options) {
  const field = { width: numberOr('varint')(width), order };
  const further = offset === undefined ? {} : { offset: Number(offset), adjustment: Number(adjustment), strip: numberOr('header')(strip) };
  return lengthField({ ...field, ...further, ...options });
}

/** A frame is decimal digits, a colon, and that many bytes. */
function measure(data) {
  const text = data.toString('latin1', 0, 20);
  if (!/^\d/.test(text)) throw new RangeError('a frame begins with a digit');
  const colon = text.indexOf(':');
  return colon < 0 ? null : colon + 1 + Number(text.slice(0, colon));
}

const KINDS = {
  line: (_, options) => line(options),
  fixed: ([size], options) => fixed(Number(size), options),
  delimiter: ([hexes], options) => delimiter(hexes.split('+').map(hex), options),
  length,
  resp: ([count], options) => resp(count === undefined ? options : { maxArguments: Number(count), ...options }),
  custom: (_, options) => custom(measure, options),
};

/** How input is cut by a framing: not at all, in frames of the subject's own function, or in others. */
export function cutBy(framing) {
  if (!framing) return null;
  return framing.text === 'custom' ? 'custom' : 'frames';
}

/** A framing, from `line`, `length:2:big:rest:max=80` and the like. */
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
