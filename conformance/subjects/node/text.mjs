// Bytes and results as text.

/** The bytes of `write N`. */
export function pattern(size) {
  const bytes = Buffer.alloc(Number(size) || 0);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = at % 251;
  return bytes;
}

/** Slices of these sizes, which together are pattern bytes. */
export function slices(sizes) {
  const numbers = sizes.split(' ').filter(Boolean).map(Number);
  const bytes = pattern(numbers.reduce((sum, size) => sum + size, 0));
  let at = 0;
  return numbers.map((size) => bytes.subarray(at, (at += size)));
}

/** Splits at the first blank. */
export function split(text) {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A result as scripts write it. */
export function plain(result) {
  if (typeof result === 'string') return result;
  return result === null || result === undefined ? 'none' : JSON.stringify(result);
}
