import type { OsFamily } from '../../contracts/facts';
import type { RawFact } from './fact-entries';

/** Of os-release(5): what says which system it is. Left out are addresses of its maker, and colours. */
const KEYS = new Set([
  'NAME',
  'ID',
  'ID_LIKE',
  'PRETTY_NAME',
  'VERSION',
  'VERSION_ID',
  'VERSION_CODENAME',
  'VARIANT',
  'VARIANT_ID',
  'BUILD_ID',
  'IMAGE_ID',
  'IMAGE_VERSION',
]);

export const parseOsRelease = (lines: readonly string[]): readonly RawFact[] =>
  lines.flatMap((line): readonly RawFact[] => {
    const [, key = '', value = ''] = /^\s*([A-Z_]{1,40})=(.*)$/.exec(line) ?? [];
    return KEYS.has(key) ? [[key, unquoted(value.trim())]] : [];
  });

/** As a shell reads it, as far as such files go. */
const unquoted = (value: string): string => {
  const [, quote, inner = ''] = /^(["'])(.*)\1$/.exec(value) ?? [];
  return quote === undefined ? value : inner.replace(/\\([$"`\\])/g, '$1');
};

const FAMILIES: Readonly<Record<string, OsFamily>> = {
  debian: 'debian',
  ubuntu: 'debian',
  rhel: 'rhel',
  fedora: 'rhel',
  centos: 'rhel',
  amzn: 'rhel',
};

/** The first of ID and ID_LIKE that is known. */
export function familyOf(facts: readonly RawFact[]): OsFamily {
  const values = new Map(facts);
  const names = `${values.get('ID') ?? ''} ${values.get('ID_LIKE') ?? ''}`.toLowerCase().split(/\s+/);
  return names.map((name) => (Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined)).find((family) => family !== undefined) ?? 'linux';
}
