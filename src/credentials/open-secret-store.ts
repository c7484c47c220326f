import { CREDENTIAL_VARIABLE_PREFIX, type SecretStoreDeclaration, type VaultDeclaration } from '../contracts/credential';
import { ModosuError } from '../contracts/errors';
import { isOneLine } from '../contracts/text';
import { EnvironmentSecretStore, type EnvironmentDependencies } from './environment/environment-secret-store';
import { FileSecretStore } from './file/file-secret-store';
import type { SecretStore } from './secret-store';
import { VaultSecretStore } from './vault/vault-secret-store';

export type SecretStoreDependencies = EnvironmentDependencies;

/**
 * The declared store. Looks at the declaration and at nothing else: whether it is there shows when something is asked of it. Throws `SECRET_STORE_INVALID` for a
 * declaration that could send a token in the clear, lead elsewhere than it says, or reach other variables of the environment than those of credentials.
 */
export function openSecretStore(declaration: SecretStoreDeclaration, dependencies: SecretStoreDependencies): SecretStore {
  const refuse = (problem: string): never => {
    throw new ModosuError('SECRET_STORE_INVALID', `The declaration of the secret store "${declaration.name}" ${problem}.`, {
      hint: 'Correct it in the file that declares it (MODOSU_SECRET_STORES_FILE); docs/SECRET-STORES.md says what belongs there.',
      context: { store: declaration.name },
    });
  };
  switch (declaration.kind) {
    case 'vault': {
      const problem = problemOfVault(declaration);
      return problem === null ? new VaultSecretStore(declaration) : refuse(problem);
    }
    case 'file':
      return isAbsolute(declaration.path) ? new FileSecretStore(declaration) : refuse('names no absolute path without ".."');
    case 'environment':
      return isPrefix(declaration.prefix)
        ? new EnvironmentSecretStore(declaration, dependencies)
        : refuse(`has a prefix that does not begin with ${CREDENTIAL_VARIABLE_PREFIX}, or holds other characters than A to Z, 0 to 9 and "_"`);
  }
}

const LOOPBACK = /^(?:127\.[0-9.]+|\[::1\]|localhost)$/;
const PART = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** Not the value: somebody may have written a login into the address. */
function problemOfVault({ address, mount, namespace, tokenFile, caFile }: VaultDeclaration): string | null {
  const url = URL.canParse(address) ? new URL(address) : null;
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === '' && url.pathname === '/';
  if (!isPlain || !isOneLine(address)) return 'has an address that is not https://HOST:PORT, without a login and without a path';
  // On loopback nobody listens.
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) return 'has an address with http:, over which everybody on the way could read the token';
  if (!mount.split('/').every((part) => PART.test(part))) return 'has a mount that is not made of plain parts, such as "secret" or "teams/kv"';
  if (namespace !== undefined && !namespace.split('/').every((part) => PART.test(part))) return 'has a namespace that is not made of plain parts';
  return isAbsolute(tokenFile) && (caFile === undefined || isAbsolute(caFile)) ? null : 'names no absolute paths without ".." for its files';
}

const isAbsolute = (path: string): boolean => path.startsWith('/') && !path.split('/').includes('..') && isOneLine(path);

/** With the "_" at its end nobody takes `MODOSU_CREDENTIAL_DB` and the path `1` for the path `db1`. */
const isPrefix = (prefix: string): boolean => prefix.startsWith(CREDENTIAL_VARIABLE_PREFIX) && /^[A-Z0-9_]+_$/.test(prefix);
