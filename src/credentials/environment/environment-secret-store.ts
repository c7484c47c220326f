import { createHmac } from 'node:crypto';
import { DEFAULT_CREDENTIAL_FIELD, type CredentialVersion, type SecretEnvironmentDeclaration, type SecretVersionState } from '../../contracts/credential';
import { ModosuError } from '../../contracts/errors';
import type { Secrets } from '../../secrets/secrets';
import { fieldValue, nothingThere, versionLost } from '../failures';
import { readPrivateFile } from '../private-file';
import { CURRENT, type SecretStore } from '../secret-store';
import type { SecretValue } from '../secret-value';
import { variableName } from './variable-name';

/** Its name among Modosu's own secrets. Who knows it can try passwords against a fingerprint; who loses it, or uses another one, knows no version again. */
export const FINGERPRINT_KEY = 'credentials/fingerprint-key';
/** 64 bits: no two passwords that anybody sets for one path have the same. */
const FINGERPRINT_DIGITS = 16;

export interface EnvironmentDependencies {
  /** Variables by name, as `credentialVariables` of src/config has read them when the process began. */
  readonly variables: Readonly<Record<string, string>>;
  readonly secrets: Pick<Secrets, 'getOrMake'>;
}

/**
 * Secrets in environment variables (variable-name.ts), or in the files that `NAME_FILE` names (mode 0600, read anew at each use, without the line feed at their
 * end). There is one version of each, the one that is there, and one field, `password`.
 *
 * Its version is a fingerprint: a MAC over path and value, with a key that this installation has made for that. A plain hash of a password, which may be a weak
 * one, could be tried against a dictionary by everybody who sees a recovery point; and two accounts with the same password would show it. All workers that read
 * such a store need the same variables and the same key.
 */
export class EnvironmentSecretStore implements SecretStore {
  readonly name: string;
  /** Seen by no inspection: the values are in it. */
  readonly #dependencies: EnvironmentDependencies;

  constructor(
    private readonly declaration: SecretEnvironmentDeclaration,
    dependencies: EnvironmentDependencies,
  ) {
    this.name = declaration.name;
    this.#dependencies = dependencies;
  }

  async currentVersion(path: string): Promise<CredentialVersion> {
    return { version: await this.fingerprint(path, await this.value(path)), createdAt: null };
  }

  async versionState(path: string, version: string): Promise<SecretVersionState> {
    return (await this.currentVersion(path)).version === version ? 'there' : 'unknown';
  }

  async read(path: string, version: string, field: string): Promise<SecretValue> {
    const value = await this.value(path);
    const current = await this.fingerprint(path, value);
    if (version !== CURRENT && version !== current) throw versionLost(this.name, path, version, 'unknown');
    return fieldValue(this.name, path, current, field, field === DEFAULT_CREDENTIAL_FIELD ? value : undefined);
  }

  private async value(path: string): Promise<string> {
    const name = variableName(this.declaration.prefix, path);
    const [value, file] = [this.variable(name), this.variable(`${name}_FILE`)];
    if (value !== undefined && file !== undefined) {
      throw new ModosuError('SECRET_STORE_INVALID', `The environment sets both ${name} and ${name}_FILE.`, {
        hint: 'Set one of them, and restart the worker.',
        context: { store: this.name, path },
      });
    }
    if (file !== undefined) return (await readPrivateFile(file, { what: `file of ${name}_FILE`, store: this.name })).replace(/\r?\n$/, '');
    if (value === undefined) throw nothingThere(this.name, path);
    return value;
  }

  /** Empty counts as not set, as everywhere in the environment. */
  private variable(name: string): string | undefined {
    const { variables } = this.#dependencies;
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    return value === '' ? undefined : value;
  }

  private async fingerprint(path: string, value: string): Promise<string> {
    const key = await this.#dependencies.secrets.getOrMake(FINGERPRINT_KEY);
    return createHmac('sha256', key).update(`${path}\0${value}`).digest('hex').slice(0, FINGERPRINT_DIGITS);
  }
}
