import type { SecretVersionState } from '../contracts/credential';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { SecretValue } from './secret-value';

/** What all secret stores say alike. None of it knows a value. */

export const nothingThere = (store: string, path: string): ModosuError =>
  new ModosuError('SECRET_NOT_FOUND', `Nothing stands under ${quoted(path)} in the secret store "${store}".`, { context: { store, path } });

const WORDS: Readonly<Record<Exclude<SecretVersionState, 'there'>, string>> = {
  deleted: 'was deleted',
  destroyed: 'was destroyed',
  unknown: 'is not there: newer ones have displaced it, or it never was',
};

/** @param version null: the one that should count now, and the store does not say which that was */
export function versionLost(store: string, path: string, version: string | null, state: Exclude<SecretVersionState, 'there'>): ModosuError {
  const which = version === null ? 'The current version' : `Version ${quoted(version, 40)}`;
  return new ModosuError('SECRET_VERSION_LOST', `${which} of ${quoted(path)} in the secret store "${store}" ${WORDS[state]}.`, {
    ...(state === 'deleted' ? { hint: 'Have the keepers of the store bring it back (in Vault: `vault kv undelete`), then try again.' } : {}),
    context: { store, path, version, state },
  });
}

/** What a field holds, once it is known to be text. @param found undefined: there is no such field */
export function fieldValue(store: string, path: string, version: string, field: string, found: unknown): SecretValue {
  const context = { store, path, version, field };
  const place = `The field ${quoted(field, 60)} of version ${version} of ${quoted(path)} in the secret store "${store}"`;
  if (found === undefined) throw new ModosuError('SECRET_NOT_FOUND', `${place} is not there.`, { context });
  if (typeof found !== 'string') {
    throw new ModosuError('SECRET_STORE_INVALID', `${place} is not text.`, { hint: 'Store it as text: what looks like a number belongs in quotes.', context });
  }
  if (found === '') {
    throw new ModosuError('SECRET_STORE_INVALID', `${place} is empty.`, { hint: 'Store the password there, or declare another field.', context });
  }
  return new SecretValue(found, version);
}
