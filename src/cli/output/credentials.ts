import type { CredentialReference, CredentialVersion, PlannedCredential } from '../../contracts/credential';
import { ago, indented } from './plan-parts';
import { table } from './text';

/** References to credentials. Their values are in none of them. */

/** What a generation, or a recovery point of data, remembers; nothing where it remembers nothing. */
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

/** What the plan of a server says of them. */
export const plannedCredentialsText = (credentials: readonly PlannedCredential[], now: Date): string =>
  plannedTable(credentials, now, ['AFTER THE RESTORE', afterwards]);

const afterwards = ({ isSet, changed }: PlannedCredential): string => {
  if (isSet) return 'the current one: the run sets it';
  return changed === 'no' ? 'the current one' : changed === 'yes' ? 'THE OLD ONE' : 'the one of that time';
};

/** The same of data, whose restore changes no account. */
export const dataCredentialsText = (credentials: readonly PlannedCredential[], now: Date): string =>
  plannedTable(credentials, now, ['CHANGED SINCE', ({ changed }) => CHANGED[changed]]);

const CHANGED = { yes: 'YES', no: 'no', unknown: 'NOT KNOWN' } as const satisfies Record<PlannedCredential['changed'], string>;

const plannedTable = (
  credentials: readonly PlannedCredential[],
  now: Date,
  [heading, said]: readonly [string, (credential: PlannedCredential) => string],
): string =>
  indented(
    table(
      ['ACCOUNT', 'SECRET STORE', 'PATH', 'VALID THEN', 'VALID NOW', 'SINCE', heading],
      credentials.map((one) => [
        one.account,
        one.store,
        one.path,
        one.then === null ? 'not remembered' : versionText(one.then),
        one.now === null ? `NOT KNOWN, ${one.problem ?? 'nobody has said why'}` : one.now.version,
        one.now === null ? '-' : sinceText(one.now, now),
        said(one),
      ]),
    ),
  );
