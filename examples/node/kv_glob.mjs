// Patterns as KEYS takes them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` in front of what is meant literally.

const TOKEN = /\*+|\?|\\(.)|\[(\^?)((?:\\.|[^\]]-.|[^\]])*)\]?|(.)/gs;
const IN_SET = /\\(.)|(.)-(.)|(.)/gs;

/**
 * Says of a text whether all of it fits. Only where a `*` ends has to be tried, for one after the other: that takes at most the
 * product of the lengths.
 * @param {string} pattern
 * @returns {(text: string) => boolean}
 */
export function matcher(pattern) {
  // What stands between the `*`, each as expressions for so many characters.
  /** @type {string[][]} */
  const pieces = [[]];
  for (const token of pattern.matchAll(TOKEN)) {
    if (token[0].startsWith('*')) pieces.push([]);
    else pieces.at(-1)?.push(expression(token));
  }
  const tail = pieces.at(-1)?.length ?? 0;
  if (pieces.length === 1) {
    const whole = new RegExp(`^${pieces[0]?.join('')}$`, 's');
    return (text) => whole.test(text);
  }
  // The first has to be in front, and the last at the end.
  const compiled = pieces.map((piece, at) => new RegExp(piece.join(''), at === 0 || at === pieces.length - 1 ? 'sy' : 'sg'));
  return (text) => {
    let end = 0;
    for (const [at, piece] of compiled.entries()) {
      if (at === compiled.length - 1) end = text.length - tail < end ? Infinity : text.length - tail;
      piece.lastIndex = end;
      if (!piece.test(text)) return false;
      end = piece.lastIndex;
    }
    return true;
  };
}

/**
 * A regular expression for the one character that a token means.
 * @param {RegExpMatchArray} token
 */
function expression([token, escaped, negation, members, literal]) {
  if (token === '?') return '.';
  if (members === undefined) return code(escaped ?? literal ?? '');
  const ranges = [...members.matchAll(IN_SET)].map(([, quoted, from, to, other]) => {
    const ends = [code(quoted ?? from ?? other ?? ''), code(quoted ?? to ?? other ?? '')];
    return ends.sort().join('-');
  });
  if (ranges.length === 0) return negation ? '.' : '(?!)';
  return `[${negation}${ranges.join('')}]`;
}

/** @param {string} character */
function code(character) {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
