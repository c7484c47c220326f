/** What stands in the place of a secret. */
export const REDACTED = '[redacted]';

/**
 * Text of programs, errors and logs without what must not be shown: every one of the secrets that are known, also in the form it has inside a URL, and
 * whatever looks like a secret: the password of a URL with a login, what an Authorization header carries, our tokens. Longest first, so that a secret inside
 * another one leaves no remainder.
 */
export const redact = (text: string, secrets: readonly string[] = []): string => redactor(secrets)(text);

/** So many characters of a secret are looked for at each place of a text, for all secrets at once; a shorter one is looked for by itself. */
const BEGINNING = 4;

/** `redact` for many texts with the same secrets, which may be thousands: they are looked through once, and a text takes as long as it is. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))].filter((secret) => secret !== '');
  const short = known.filter(({ length }) => length < BEGINNING);
  const byBeginning = new Map<string, string[]>();
  for (const secret of known.filter(({ length }) => length >= BEGINNING)) {
    const beginning = secret.slice(0, BEGINNING);
    byBeginning.set(beginning, [...(byBeginning.get(beginning) ?? []), secret]);
  }
  const foundIn = (text: string): readonly string[] => {
    if (byBeginning.size === 0) return short;
    const found = new Set(short);
    for (let at = 0; at + BEGINNING <= text.length; at += 1) {
      for (const secret of byBeginning.get(text.slice(at, at + BEGINNING)) ?? []) if (text.startsWith(secret, at)) found.add(secret);
    }
    return [...found];
  };
  return (text) => {
    let shown = text;
    for (const secret of [...foundIn(text)].sort((a, b) => b.length - a.length)) shown = shown.replaceAll(secret, REDACTED);
    return withoutLikely(shown);
  };
}

const withoutLikely = (text: string): string =>
  text
    // To the last "@" before the path: a password may hold one.
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"\\]*):[^\s"\\/]+@/gi, `$1:${REDACTED}@`)
    .replace(/\b(Bearer)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${REDACTED}`)
    .replace(/(authorization\W{1,8}Basic)\s+[A-Za-z0-9+/=]+/gi, `$1 ${REDACTED}`)
    // As `newTokenSecret` in src/catalog/token-secret.ts makes them.
    .replace(/\bmodosu_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, REDACTED);
