const MAX_WORDS = 300;

/** Words of a guest for people: no control, format or unassigned characters (they could forge lines of a log or steer a terminal), on one line, at most `maxLength` characters. */
export function cleanWords(text: string, maxLength = MAX_WORDS): string {
  const plain = Array.from(text.slice(0, maxLength * 4).replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim());
  return plain.length <= maxLength ? plain.join('') : `${plain.slice(0, maxLength - 1).join('')}…`;
}

/** The end of a long complaint says more than its beginning. */
export const lastWords = (text: string, maxLength = MAX_WORDS): string => {
  const said = text.trim();
  return cleanWords(said.length <= maxLength ? said : `…${said.slice(-(maxLength - 1))}`, maxLength);
};

/** A text without the secrets that may stand in it, longest first, so that no part of one is left. Before anything is cut. */
export function redact(text: string, secrets: readonly string[]): string {
  const ordered = secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  return ordered.reduce((redacted, secret) => redacted.replaceAll(secret, '***'), text);
}

/** Some names in a sentence: at most `max`, each cleaned and short. */
export function namesOf(names: readonly string[], max = 5): string {
  const shown = names.slice(0, max).map((name) => `"${cleanWords(name, 120)}"`);
  return names.length > max ? `${shown.join(', ')} and ${names.length - max} more` : shown.join(', ');
}
