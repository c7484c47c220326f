import type { CredentialDeclaration, CredentialReference, SecretVersionState, SurveyedCredential } from '../../contracts/credential';
import { credentialFindings, dataCredentialFindings } from './credential-findings';
import { planCredentials, type CredentialSituation } from './credential-planning';

const AT = '2026-03-01T00:00:00.000Z';
const BEFORE = '2026-02-01T00:00:00.000Z';
const AFTER = '2026-03-05T00:00:00.000Z';
const NOW = new Date('2026-03-10T00:00:00.000Z');

const declared: CredentialDeclaration = { account: 'root', store: 'vault', path: 'servers/db01', reapply: true };
const remembered: CredentialReference = { account: 'root', store: 'vault', path: 'servers/db01', version: '1', createdAt: BEFORE, problem: null };
const says = (version: string, createdAt: string | null = AFTER, then: SecretVersionState | null = 'there'): SurveyedCredential => ({
  account: 'root',
  current: { version, createdAt },
  problem: null,
  remembered: then,
});
const sealed: SurveyedCredential = { account: 'root', current: null, problem: 'SECRET_STORE_SEALED', remembered: null };

const plan = (situation: Partial<CredentialSituation>) =>
  planCredentials({ declared: [declared], remembered: [remembered], surveyed: [says('2')], pointInTime: AT, mayBeSet: true, ...situation });
const findings = (situation: Partial<CredentialSituation>, notSetBecause: 'left' | 'no-agent' | null = null) =>
  credentialFindings(plan({ mayBeSet: notSetBecause === null, ...situation }), { generation: 3, now: NOW, notSetBecause });

describe('a password that was changed since the image', () => {
  it('is set by the run where that is declared, and the plan says which version was valid then', () => {
    expect(plan({})).toEqual([
      {
        account: 'root',
        store: 'vault',
        path: 'servers/db01',
        field: 'password',
        then: remembered,
        thenState: 'there',
        now: { version: '2', createdAt: AFTER },
        problem: null,
        changed: 'yes',
        isSet: true,
      },
    ]);
    const [only, ...others] = findings({});
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      code: 'CREDENTIAL_ROTATED',
      severity: 'step',
      message: 'The password of "root" was changed since generation 3: version "1" was valid then, version "2" is now.',
      evidence: [
        'secret store vault, path servers/db01, field password',
        `then: version 1 (since ${BEFORE}, 37 d ago) of servers/db01 in vault`,
        `now: version 2 (since ${AFTER}, 5 d ago)`,
      ],
    });
  });

  it.each([
    ['it is not declared so', { declared: [{ ...declared, reapply: false }] }, null, 'Declared with `reapply: true`'],
    ['it is left', {}, 'left', 'Without --leave-credentials'],
    ['no agent has been seen', {}, 'no-agent', 'no guest agent'],
    ['it is not declared any more', { declared: [] }, null, 'Declared with `reapply: true`'],
  ] as const)('is for people where %s: they are told which one the restored server knows', (_why, situation, notSetBecause, words) => {
    expect(findings(situation, notSetBecause)).toMatchObject([
      { code: 'CREDENTIAL_ROTATED', severity: 'warn', remedy: expect.stringMatching(new RegExp(`knows version "1".*${words}`)) as string },
    ]);
  });

  it('is one, too, when it stands elsewhere now: versions of two places are not compared', () => {
    expect(plan({ surveyed: [says('1')], declared: [{ ...declared, path: 'linux/db01' }] })).toMatchObject([{ changed: 'yes', isSet: true }]);
  });
});

it('nothing is said or done of one that is the same', () => {
  expect(plan({ surveyed: [says('1', BEFORE)] })).toMatchObject([{ changed: 'no', isSet: false }]);
  expect(findings({ surveyed: [says('1', BEFORE)] })).toEqual([]);
});

describe('where the image does not know its version', () => {
  const forgotten = [undefined, { ...remembered, version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' }];

  it.each(forgotten)('the time since when the present one counts says whether it was changed', (then) => {
    const known = { remembered: then === undefined ? [] : [then] };
    expect(plan({ ...known, surveyed: [says('2', AFTER, null)] })).toMatchObject([{ changed: 'yes', isSet: true }]);
    expect(plan({ ...known, surveyed: [says('2', BEFORE, null)] })).toMatchObject([{ changed: 'no', isSet: false }]);
    expect(findings({ ...known, surveyed: [says('2', AFTER, null)] })).toMatchObject([
      { severity: 'step', message: expect.stringContaining('an older one was valid then') as string },
    ]);
  });

  it('and its store knows no times: unknown, never "the same"', () => {
    expect(findings({ remembered: [], surveyed: [says('2', null, null)] })).toMatchObject([
      { code: 'CREDENTIAL_UNKNOWN', severity: 'unknown', message: expect.stringContaining('was not remembered') as string },
    ]);
  });
});

describe('a secret store that is sealed', () => {
  it('is unknown, and the run tries all the same where that is declared', () => {
    expect(plan({ surveyed: [sealed] })).toMatchObject([{ changed: 'unknown', isSet: true, now: null, problem: 'SECRET_STORE_SEALED' }]);
    expect(findings({ surveyed: [sealed] })).toMatchObject([
      {
        code: 'CREDENTIAL_UNKNOWN',
        severity: 'unknown',
        message: expect.stringContaining('SECRET_STORE_SEALED') as string,
        remedy: expect.stringContaining('waits for people') as string,
      },
    ]);
    expect(findings({ surveyed: [sealed] }, 'left')).toMatchObject([
      { severity: 'unknown', remedy: expect.stringContaining('modosu explain SECRET_STORE_SEALED') as string },
    ]);
  });
});

describe('a secret store that has lost the old version', () => {
  it.each([
    ['deleted', 'its keepers can bring it back'],
    ['destroyed', 'was destroyed there'],
    ['unknown', 'is not there any more'],
  ] as const)('is told of, because nobody may know the password that the restored server has: %s', (state, words) => {
    expect(findings({ surveyed: [says('2', AFTER, state)] })).toMatchObject([
      { code: 'CREDENTIAL_ROTATED' },
      {
        code: 'CREDENTIAL_VERSION_LOST',
        severity: 'warn',
        message: expect.stringContaining(words) as string,
        remedy: expect.stringContaining('Until the run') as string,
      },
    ]);
    expect(findings({ surveyed: [says('2', AFTER, state)] }, 'left')[1]).toMatchObject({ remedy: expect.stringContaining('Nobody can log in') as string });
  });
});

it('an account that nobody has surveyed is unknown', () => {
  expect(plan({ surveyed: [] })).toMatchObject([{ changed: 'unknown', problem: 'INTERNAL' }]);
});

describe('a restore of data', () => {
  const said = (situation: Partial<CredentialSituation>) => dataCredentialFindings(plan({ mayBeSet: false, ...situation }), NOW);

  it('says which version was valid at its recovery point, warns of a newer one, and sets none', () => {
    expect(plan({ mayBeSet: false })).toMatchObject([{ then: remembered, now: { version: '2' }, changed: 'yes', isSet: false }]);
    expect(said({})).toEqual([
      {
        code: 'CREDENTIAL_ROTATED',
        severity: 'warn',
        message: 'The password of "root" was changed since this recovery point: version "1" was valid then, version "2" is now.',
        remedy: expect.stringContaining('Files or rows that come back may hold the password of that time') as string,
        evidence: [
          'secret store vault, path servers/db01, field password',
          `then: version 1 (since ${BEFORE}, 37 d ago) of servers/db01 in vault`,
          `now: version 2 (since ${AFTER}, 5 d ago)`,
        ],
      },
    ]);
    expect(said({ surveyed: [says('2', AFTER, 'destroyed')] })[0]?.evidence.at(-1)).toBe('the version of then was destroyed there');
  });

  it('says nothing of one that is the same', () => expect(said({ surveyed: [says('1', BEFORE)] })).toEqual([]));

  it.each<[string, Partial<CredentialSituation>, string]>([
    ['a store that is sealed now', { surveyed: [sealed] }, 'does not say which version is valid now (SECRET_STORE_SEALED)'],
    [
      'one that was sealed then',
      { remembered: [{ ...remembered, version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' }], surveyed: [says('2', null, null)] },
      'could not be told (SECRET_STORE_SEALED)',
    ],
  ])('is held up by no store: of %s it warns that nothing is known', (_which, situation, words) => {
    expect(said(situation)).toMatchObject([{ code: 'CREDENTIAL_UNKNOWN', severity: 'warn', message: expect.stringContaining(words) as string }]);
  });
});
