import type { CredentialReference, PlannedCredential, SecretVersionState } from '../../contracts/credential';
import { describeAge } from '../../contracts/format';
import type { Finding } from '../../contracts/plan';
import { quoted } from '../../contracts/text';

/** What passwords of another time mean for a restore. Pure. */

export interface CredentialFindingContext {
  readonly generation: number;
  readonly now: Date;
  /** Why nothing that is declared with `reapply` is set; null: it is. */
  readonly notSetBecause: 'left' | 'no-agent' | null;
}

/** Nothing of a credential that is the same now as in the image. */
export const credentialFindings = (credentials: readonly PlannedCredential[], context: CredentialFindingContext): readonly Finding[] =>
  credentials.flatMap((credential) => [...rotated(credential, context), ...unknown(credential, context), ...lost(credential, context)]);

/**
 * The same for a restore of data. It changes no account: that is what people have to know, because what comes back may hold a password of its time. It never
 * has to be acknowledged, so that no store that is away holds data back.
 */
export const dataCredentialFindings = (credentials: readonly PlannedCredential[], now: Date): readonly Finding[] =>
  credentials
    .filter(({ changed }) => changed !== 'no')
    .map((credential) => {
      const [code, words] = credential.changed === 'yes' ? (['CREDENTIAL_ROTATED', rotatedWords] as const) : (['CREDENTIAL_UNKNOWN', unknownWords] as const);
      return {
        code,
        severity: 'warn',
        message: words(credential, 'this recovery point'),
        remedy:
          'Files or rows that come back may hold the password of that time: where something uses it, set the current one after the restore, which sets none.',
        evidence: [...evidenceOf(credential, now), ...lostEvidence(credential)],
      };
    });

const lostEvidence = ({ then, thenState }: PlannedCredential): readonly string[] =>
  then === null || thenState === null || thenState === 'there' ? [] : [`the version of then ${GONE[thenState]}`];

const rotatedWords = (credential: PlannedCredential, since: string): string =>
  `The password of ${quoted(credential.account)} was changed since ${since}: ${thenWords(credential)} was valid then, ${nowWords(credential)} is now.`;

function unknownWords({ account, store, then, problem }: PlannedCredential, since: string): string {
  const why =
    problem === null
      ? `which version was valid then ${then?.problem == null ? 'was not remembered' : `could not be told (${then.problem})`}, and the secret store ${quoted(store)} does not say since when the present one is`
      : `the secret store ${quoted(store)} does not say which version is valid now (${problem})`;
  return `Whether the password of ${quoted(account)} was changed since ${since} is not known: ${why}.`;
}

function rotated(credential: PlannedCredential, { generation, now, notSetBecause }: CredentialFindingContext): readonly Finding[] {
  const { isSet, changed } = credential;
  if (changed !== 'yes') return [];
  return [
    {
      code: 'CREDENTIAL_ROTATED',
      severity: isSet ? 'step' : 'warn',
      message: rotatedWords(credential, `generation ${generation}`),
      remedy: isSet
        ? `The run sets what is current when it comes to that, before go-live, and proves it; where that fails it waits for people. \`--leave-credentials\` leaves it.`
        : `The restored server knows ${thenWords(credential)}: log in with that, and set the current one. ${NOT_SET[notSetBecause ?? 'not-declared']}`,
      evidence: evidenceOf(credential, now),
    },
  ];
}

const NOT_SET = {
  left: 'Without --leave-credentials the run does so for accounts that are declared with `reapply: true`.',
  'no-agent': 'The run cannot: no guest agent of this server has been seen.',
  'not-declared': 'Declared with `reapply: true` the run does so.',
} as const;

function unknown(credential: PlannedCredential, { generation, now }: CredentialFindingContext): readonly Finding[] {
  const { problem, isSet, changed } = credential;
  if (changed !== 'unknown') return [];
  return [
    {
      code: 'CREDENTIAL_UNKNOWN',
      severity: 'unknown',
      message: unknownWords(credential, `generation ${generation}`),
      remedy: isSet
        ? 'The run tries to set what is current when it comes to that, and waits for people where it cannot. `--leave-credentials` leaves it.'
        : `Have the store put in order (\`modosu explain ${problem ?? 'SECRET_STORE_INVALID'}\`) and plan again, or be ready to log in with the password of that time.`,
      evidence: evidenceOf(credential, now),
    },
  ];
}

const GONE: Readonly<Record<Exclude<SecretVersionState, 'there'>, string>> = {
  deleted: 'was deleted there; its keepers can bring it back',
  destroyed: 'was destroyed there',
  unknown: 'is not there any more',
};

/** Of what the restored server knows, nobody may know the password. */
function lost(credential: PlannedCredential, { generation, now }: CredentialFindingContext): readonly Finding[] {
  const { account, then, thenState, changed, isSet } = credential;
  if (then?.version == null || thenState === null || thenState === 'there' || changed === 'no') return [];
  return [
    {
      code: 'CREDENTIAL_VERSION_LOST',
      severity: 'warn',
      message: `Version ${quoted(then.version, 40)} of ${quoted(then.path)} in the secret store ${quoted(then.store)}, which ${quoted(account)} had in generation ${generation}, ${GONE[thenState]}.`,
      remedy: isSet
        ? 'Until the run has set the current one nobody can log in with this account: be ready to use another one.'
        : 'Nobody can log in with this account after the restore unless somebody has kept that password: be ready to use another one.',
      evidence: evidenceOf(credential, now),
    },
  ];
}

const thenWords = ({ then }: PlannedCredential): string => (then?.version == null ? 'an older one' : `version ${quoted(then.version, 40)}`);
const nowWords = ({ now }: PlannedCredential): string => (now === null ? 'another one' : `version ${quoted(now.version, 40)}`);

const evidenceOf = ({ store, path, field, then, now }: PlannedCredential, at: Date): readonly string[] => [
  `secret store ${store}, path ${path}, field ${field}`,
  `then: ${then === null ? 'not remembered' : referenceWords(then, at)}`,
  ...(now === null ? [] : [`now: version ${now.version}${ageWords(now.createdAt, at)}`]),
];

const referenceWords = ({ store, path, version, createdAt, problem }: CredentialReference, at: Date): string =>
  version === null ? `version not known, ${problem ?? 'nobody has said why'}` : `version ${version}${ageWords(createdAt, at)} of ${path} in ${store}`;

const ageWords = (createdAt: string | null, at: Date): string => (createdAt === null ? '' : ` (since ${createdAt}, ${describeAge(createdAt, at)} ago)`);
