import { parseYamlFile } from '../contracts/api/yaml-file';
import { secretStoresSchema } from '../contracts/api/secret-stores';
import type { SecretStoreDeclaration } from '../contracts/credential';
import { isModosuError, ModosuError } from '../contracts/errors';
import { fileExists } from '../system/files';
import { openSecretStore, type SecretStoreDependencies } from './open-secret-store';
import { MAX_FILE_BYTES, readPrivateFile } from './private-file';
import type { SecretStore } from './secret-store';

const SHOWN_ERRORS = 5;

/**
 * The secret stores that a worker knows, in a file of its administrator: whoever declares one decides where a token is sent, which is more than whoever may apply
 * an estate decides. Read at each use, so that a change needs no restart. It holds no secret: all may read it, and nobody but root and the user that Modosu runs
 * as may write it.
 */
export class DeclaredStores {
  /** @param file absolute; where it is not there, no store is declared */
  constructor(
    private readonly file: string,
    private readonly dependencies: SecretStoreDependencies,
  ) {}

  /** Throws `SECRET_STORE_INVALID` for a file that others could change, or that is not as it has to be, and what keeps it from being read. */
  async list(): Promise<readonly SecretStoreDeclaration[]> {
    if (!(await fileExists(this.file))) return [];
    const text = await readPrivateFile(this.file, { what: 'file of secret stores', store: 'all', readers: 'public' });
    const form = { schema: secretStoresSchema, code: 'SECRET_STORE_INVALID', maxBytes: MAX_FILE_BYTES } as const;
    try {
      return parseYamlFile(this.file, Buffer.from(text), form).stores;
    } catch (error) {
      // Seldom more than one; whoever has to mend it reads the message alone.
      const errors = isModosuError(error) ? error.context['errors'] : undefined;
      if (!Array.isArray(errors)) throw error;
      throw new ModosuError('SECRET_STORE_INVALID', `The secret stores are not declared as they have to be: ${errors.slice(0, SHOWN_ERRORS).join('; ')}.`, {
        context: { path: this.file },
      });
    }
  }

  /** Whether it is there shows when something is asked of it. Throws `SECRET_STORE_NOT_CONFIGURED`, and as `list` and `openSecretStore`. */
  async open(name: string): Promise<SecretStore> {
    const found = (await this.list()).find((declaration) => declaration.name === name);
    if (found !== undefined) return openSecretStore(found, this.dependencies);
    throw new ModosuError('SECRET_STORE_NOT_CONFIGURED', `No secret store named "${name}" is declared in ${this.file}.`, { context: { store: name } });
  }
}
