import type { CredentialVersion, SecretFileDeclaration, SecretVersionState } from '../../contracts/credential';
import { fieldValue, nothingThere, versionLost } from '../failures';
import { readPrivateFile } from '../private-file';
import { secretPathParts } from '../secret-path';
import { CURRENT, type SecretStore } from '../secret-store';
import type { SecretValue } from '../secret-value';
import { versionsInFile, type FileVersion } from './credentials-file';

/**
 * Secrets in a file (credentials-file.ts says what stands in it) of mode 0600, of root or of this process' user, read anew at each use. Its versions are numbers;
 * one that was taken out of it is `unknown`.
 */
export class FileSecretStore implements SecretStore {
  readonly name: string;

  constructor(private readonly declaration: SecretFileDeclaration) {
    this.name = declaration.name;
  }

  async currentVersion(path: string): Promise<CredentialVersion> {
    const { version, createdAt } = this.newest(path, await this.versions(path));
    return { version: String(version), createdAt };
  }

  async versionState(path: string, version: string): Promise<SecretVersionState> {
    return (await this.versions(path)).some((known) => String(known.version) === version) ? 'there' : 'unknown';
  }

  async read(path: string, version: string, field: string): Promise<SecretValue> {
    const versions = await this.versions(path);
    const found = version === CURRENT ? this.newest(path, versions) : versions.find((known) => String(known.version) === version);
    if (found === undefined) throw versionLost(this.name, path, version, 'unknown');
    return fieldValue(this.name, path, String(found.version), field, found.field(field));
  }

  private newest(path: string, versions: readonly FileVersion[]): FileVersion {
    const newest = versions.at(-1);
    if (newest === undefined) throw nothingThere(this.name, path);
    return newest;
  }

  /** Oldest first. */
  private async versions(path: string): Promise<readonly FileVersion[]> {
    secretPathParts(path);
    const file = this.declaration.path;
    const versions = versionsInFile(await readPrivateFile(file, { what: 'file of credentials', store: this.name }), file, path);
    if (versions === null) throw nothingThere(this.name, path);
    return versions;
  }
}
