const MAX_WORDS = 300;

/** Words of a guest for people: no control, format or unassigned characters (they could forge lines of a log or steer a terminal), on one line, at most `maxLength` characters. */
export function cleanWords(text: string, maxLength = MAX_WORDS): string {
  const plain = Array.from(text.slice(0, maxLength * 4).replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim());
  return plain.length <= maxLength ? plain.join('') : `${plain.slice(0, maxLength - 1).join('')}…`;
}

/** Some names in a sentence: at most `max`, each cleaned and short. */
export function namesOf(names: readonly string[], max = 5): string {
  const shown = names.slice(0, max).map((name) => `"${cleanWords(name, 120)}"`);
  return names.length > max ? `${shown.join(', ')} and ${names.length - max} more` : shown.join(', ');
}
