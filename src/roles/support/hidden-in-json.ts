import { redact, REDACTED } from '../../contracts/redact';
import type { BundleFile } from './contents';
import type { Hide } from './hidden';

/**
 * A file without secrets that is still read by programs: `*.json` stays JSON, and so does each line of a log that was. A secret of digits inside a number, or
 * the word `true`, would otherwise leave no JSON; a value that holds one becomes a string there.
 */
export function withoutSecrets({ path, text }: BundleFile, hide: Hide): BundleFile {
  const shown = hide(text);
  if (shown === text) return { path, text };
  if (path.endsWith('.json')) return { path, text: isJson(shown) || !isJson(text) ? shown : hiddenInJson(text, hide) };
  // Looked at only after it was hidden: most logs have no line that was broken.
  return { path, text: shown.split('\n').some(isBroken) ? linesWithoutSecrets(text, hide) : shown };
}

/** Lines that would be broken are hidden on their own, all others together: a secret may have several lines. */
function linesWithoutSecrets(text: string, hide: Hide): string {
  const parts: string[] = [];
  let others: string[] = [];
  const end = (): void => {
    if (others.length > 0) parts.push(hide(others.join('\n')));
    others = [];
  };
  for (const line of text.split('\n')) {
    if (isBroken(hide(line)) && isJson(line)) {
      end();
      parts.push(hiddenInJson(line, hide));
    } else others.push(line);
  }
  end();
  return parts.join('\n');
}

const isBroken = (line: string): boolean => line.startsWith('{') && line.includes(REDACTED) && !isJson(line);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Strings and numbers alone; all else stays as it was written, so that no digit gets lost. */
function hiddenInJson(text: string, hide: Hide): string {
  const shown = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
    const value = token.startsWith('"') ? (JSON.parse(token) as string) : token;
    const hidden = hide(value);
    return hidden === value ? token : JSON.stringify(hidden);
  });
  // What shows only together with the name before it, as the login of a header.
  return redact(shown);
}
