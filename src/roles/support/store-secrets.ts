import { isPair, isScalar, parseDocument, visit, type Scalar } from 'yaml';
import { credentialVariables } from '../../config/credential-variables';
import { CREDENTIAL_VARIABLE_PREFIX } from '../../contracts/credential';

/** Reads a file that may hold a secret; empty for one that is not there. */
export type ReadSecretFile = (path: string) => Promise<string>;

/** What may stand in a declaration of secret stores without being a secret; of everything else nobody knows. */
const OPEN_KEYS = ['name', 'kind', 'mount', 'namespace'];
/** What of a version in a file of credentials is no field. */
const KEYS_OF_VERSION = ['version', 'createdAt'];
/** Hidden, they would leave no JSON. */
export const WORDS_OF_JSON = ['true', 'false', 'null'];

/**
 * Texts with the secrets of declared secret stores inside: what the files hold that the declarations name, the variables of credentials and the files that they
 * name, and what was written into the declarations themselves although it does not belong there: a token, a login in an address. A file that is not as it has
 * to be is read all the same: whoever asks for help may have got it wrong. What a Vault holds is not asked for; Modosu keeps and shows none of it.
 *
 * @param file with the declarations; may be missing
 */
export async function secretsOfStores(file: string, env: Readonly<Record<string, string | undefined>>, read: ReadSecretFile): Promise<readonly string[]> {
  const declared = entriesOf(await read(file)).map(([key, value]) => ofDeclaration(key, value, read));
  const variables = Object.entries(credentialVariables(env)).map(async ([name, value]) => (name.endsWith('_FILE') ? fileOr(value, read) : [value]));
  return (await Promise.all([...declared, ...variables])).flat();
}

async function ofDeclaration(key: string, value: string, read: ReadSecretFile): Promise<readonly string[]> {
  switch (key) {
    case 'tokenFile':
      return fileOr(value, read);
    case 'path':
      return isPath(value) ? fieldsIn(await read(value)) : [value];
    case 'address':
      return loginsOf(value);
    // Authorities are public, and so are names of variables: what is neither was put into the wrong place.
    case 'caFile':
      return isPath(value) ? [] : [value];
    case 'prefix':
      return value.startsWith(CREDENTIAL_VARIABLE_PREFIX) ? [] : [value];
    default:
      return OPEN_KEYS.includes(key) ? [] : [value];
  }
}

/** Of all versions of all credentials of a file. */
const fieldsIn = (text: string): readonly string[] => entriesOf(text).flatMap(([key, value]) => (KEYS_OF_VERSION.includes(key) ? [] : [value]));

/** What stands in the file; the value itself where it is no path: the secret was given in place of its file. */
const fileOr = async (value: string, read: ReadSecretFile): Promise<readonly string[]> => [isPath(value) ? await read(value) : value];

const isPath = (value: string): boolean => value.startsWith('/') && !value.includes('\0');

/** Whatever somebody could have put into an address beside host, port and path, as it stands there and as it is meant. */
function loginsOf(address: string): readonly string[] {
  if (!address.includes('//')) return [address];
  const login = /\/\/(.*)@/.exec(address)?.[1] ?? '';
  const query = /[?#](.*)$/.exec(address)?.[1] ?? '';
  const parts = [login, login.slice(0, login.indexOf(':')), login.slice(login.indexOf(':') + 1), query, ...query.split(/[?&#=]/)];
  return [...parts, ...parts.map(decoded)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Every value of a YAML file with the key that it stands under, however deep; empty: under none. Of a file that is not YAML also what stands behind each `key:`
 * of its lines.
 */
function entriesOf(text: string): readonly (readonly [key: string, value: string])[] {
  const entries: (readonly [string, string])[] = [];
  try {
    const document = parseDocument(text, { version: '1.2', prettyErrors: false, uniqueKeys: false });
    visit(document, {
      Scalar: (place, node, path) => {
        const pair = path.findLast(isPair);
        const key = place === 'key' || !isScalar(pair?.key) ? '' : String(pair.key.value);
        if (place !== 'key') entries.push(...valuesOf(node).map((value) => [key, value] as const));
      },
    });
    if (document.errors.length === 0) return entries;
  } catch {
    // Nested too deep for the reader.
  }
  for (const line of text.split('\n')) {
    // To the end of the line, and to what ends a value between braces.
    for (const [, key = '', value = ''] of line.matchAll(/(?<![\w.-])([\w.-]{1,200})["']?\s{0,10}:\s+(?=\S)(.*)/g)) entries.push([key, unquoted(value)]);
    for (const [, key = '', value = ''] of line.matchAll(/(?<![\w.-])([\w.-]{1,200})["']?\s{0,10}:\s+("[^"]*"|'[^']*'|[^\s,{}[\]]+)/g)) {
      entries.push([key, unquoted(value)]);
    }
  }
  return entries;
}

/** As it is, and as it was written: of a number YAML loses zeros. */
function valuesOf({ value, source }: Scalar): readonly string[] {
  const texts = [typeof value === 'string' ? value : (source ?? ''), source ?? ''];
  return [...new Set(texts)].filter((text) => text !== '' && !WORDS_OF_JSON.includes(text));
}

/** Without quotes around it. */
export const unquoted = (text: string): string => text.trim().replace(/^(["'])(.*)\1$/, '$2');
