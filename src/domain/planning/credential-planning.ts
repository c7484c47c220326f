import {
  DEFAULT_CREDENTIAL_FIELD,
  type CredentialDeclaration,
  type CredentialReference,
  type CredentialVersion,
  type PlannedCredential,
  type SurveyedCredential,
} from '../../contracts/credential';

/** What is known of the credentials of a server that goes back to a recovery point, as a whole or with data. */
export interface CredentialSituation {
  readonly declared: readonly CredentialDeclaration[];
  /** Of the recovery point. */
  readonly remembered: readonly CredentialReference[];
  readonly surveyed: readonly SurveyedCredential[];
  /** Of the recovery point, ISO 8601. */
  readonly pointInTime: string;
  /** Whether anything can be set in the restored server, and is to be. */
  readonly mayBeSet: boolean;
}

/** Which version of each the restored server has, and what the run does about it. Those that are declared first. Pure. */
export function planCredentials({ declared, remembered, surveyed, pointInTime, mayBeSet }: CredentialSituation): readonly PlannedCredential[] {
  const forgotten = remembered
    .filter(({ account }) => !declared.some((one) => one.account === account))
    .map((one) => ({ ...one, field: undefined, reapply: false }));
  return [...declared, ...forgotten].map(({ account, store, path, field, reapply }) => {
    const then = remembered.find((one) => one.account === account) ?? null;
    const { current = null, problem = 'INTERNAL', remembered: thenState = null } = surveyed.find((one) => one.account === account) ?? {};
    const changed = hasChanged(then, current, { store, path }, pointInTime);
    return {
      account,
      store,
      path,
      field: field ?? DEFAULT_CREDENTIAL_FIELD,
      then,
      thenState,
      now: current,
      problem: current === null ? problem : null,
      changed,
      // Setting what is there already harms nobody; leaving what nobody knows locks people out.
      isSet: reapply && mayBeSet && changed !== 'no',
    };
  });
}

function hasChanged(
  then: CredentialReference | null,
  now: CredentialVersion | null,
  { store, path }: Pick<CredentialReference, 'store' | 'path'>,
  pointInTime: string,
): PlannedCredential['changed'] {
  if (now === null) return 'unknown';
  if (then !== null && then.version !== null) return then.store === store && then.path === path && then.version === now.version ? 'no' : 'yes';
  // What the store has got since cannot have been valid before, and what it had before, and still counts, was.
  if (now.createdAt === null) return 'unknown';
  return Date.parse(now.createdAt) > Date.parse(pointInTime) ? 'yes' : 'no';
}
