import type { CredentialReference, CredentialVersion, PlannedCredential } from '../../contracts/credential';
import { ago, indented } from './plan-parts';
import { table } from './text';

/** References to credentials. Their values are in none of them. */

/** What a generation remembers; nothing where it remembers nothing. */
export const credentialsText = (credentials: readonly CredentialReference[], now: Date): readonly string[] =>
  credentials.length === 0
    ? []
    : [
        `Credentials that were valid\n${indented(
          table(
            ['ACCOUNT', 'SECRET STORE', 'PATH', 'VERSION', 'SINCE'],
            credentials.map((one) => [one.account, one.store, one.path, versionText(one), sinceText(one, now)]),
          ),
        )}`,
      ];

const versionText = ({ version, problem }: CredentialReference): string => version ?? `NOT KNOWN, ${problem ?? 'nobody has said why'}`;
const sinceText = ({ createdAt }: Pick<CredentialVersion, 'createdAt'>, now: Date): string => (createdAt === null ? '-' : ago(createdAt, now));

/** What a plan says of them. */
export const plannedCredentialsText = (credentials: readonly PlannedCredential[], now: Date): string =>
  indented(
    table(
      ['ACCOUNT', 'SECRET STORE', 'PATH', 'VALID THEN', 'VALID NOW', 'SINCE', 'AFTER THE RESTORE'],
      credentials.map((one) => [
        one.account,
        one.store,
        one.path,
        one.then === null ? 'not remembered' : versionText(one.then),
        one.now === null ? `NOT KNOWN, ${one.problem ?? 'nobody has said why'}` : one.now.version,
        one.now === null ? '-' : sinceText(one.now, now),
        afterwards(one),
      ]),
    ),
  );

const afterwards = ({ isSet, changed }: PlannedCredential): string => {
  if (isSet) return 'the current one: the run sets it';
  return changed === 'no' ? 'the current one' : changed === 'yes' ? 'THE OLD ONE' : 'the one of that time';
};
