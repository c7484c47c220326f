/**
 * Text of programs without what must not be shown: every one of these secrets, also in the form it has inside a URL, and the password of any URL with a login. Longest first, so that a secret inside
 * another one leaves no remainder.
 */
export function redact(text: string, secrets: readonly string[]): string {
  const hidden = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))].filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  let shown = text;
  for (const secret of hidden) shown = shown.replaceAll(secret, REDACTED);
  return shown.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"\\]*):[^\s"\\/@]+@/gi, `$1:${REDACTED}@`);
}

export const REDACTED = '[redacted]';
