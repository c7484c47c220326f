import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { CredentialDeclaration, CredentialReference } from '../src/contracts/credential';
import type { ErrorCode } from '../src/contracts/error-codes';
import { ModosuError } from '../src/contracts/errors';
import { NO_PROTECTION } from '../src/contracts/protection';
import type { RestoreServerInput } from '../src/contracts/workflows';
import { DeclaredStores } from '../src/credentials/declared-stores';
import { FakeGuestAgent } from '../test/support/fake-guest-agent';
import { SecretHunt } from '../test/support/secret-hunt';
import { CredentialCalls } from './credential-activities';
import type { ActivityDependencies } from './dependencies';

const [OLD, NEW] = ['the first one of them all', 'the one that counts now'];
const ROOT: CredentialDeclaration = { account: 'root', store: 'people', path: 'servers/db01', reapply: true };
const INPUT = { serverId: 'srv_1', serverName: 'db01', uuid: '3f0c9c1e-1111-4222-8333-444455556666', hypervisor: 'kvm1', runId: 'run_1' } as RestoreServerInput;
const PLANNED = { account: 'root', store: 'people', path: 'servers/db01', field: 'password' };
const hunt = new SecretHunt(
  new Map([
    ['old', OLD],
    ['new', NEW],
  ]),
);

const directory = mkdtempSync(join(tmpdir(), 'modosu-credentials-'));
const said: unknown[] = [];
let passwords: Map<string, string>;
let isSilent = false;
/** What the fence says. */
let fence: () => Promise<void>;
afterAll(() => rmSync(directory, { recursive: true }));

const versions = (entries: Readonly<Record<number, string>>): void =>
  writeFileSync(
    join(directory, 'passwords.yaml'),
    JSON.stringify({
      credentials: {
        'servers/db01': {
          versions: Object.entries(entries).map(([version, password]) => ({ version: Number(version), createdAt: `2026-0${version}-01T00:00:00Z`, password })),
        },
      },
    }),
    { mode: 0o600 },
  );
beforeEach(() => {
  passwords = new Map([['root', OLD]]);
  isSilent = false;
  fence = async () => undefined;
  said.splice(0);
  versions({ 1: OLD, 2: NEW });
  const stores = { stores: [{ name: 'people', kind: 'file', path: join(directory, 'passwords.yaml') }] };
  writeFileSync(join(directory, 'stores.yaml'), JSON.stringify(stores), { mode: 0o600 });
});

const broken = (code: ErrorCode) => async (): Promise<never> => {
  throw new ModosuError(code, 'it is so');
};
const calls = (secretStore?: ActivityDependencies['secretStore']): CredentialCalls => {
  const stores = new DeclaredStores(join(directory, 'stores.yaml'), { variables: {}, secrets: { getOrMake: async () => 'key' } });
  const log = (...of: unknown[]): void => void said.push(of);
  return new CredentialCalls({
    secretStore: secretStore ?? ((name: string) => stores.open(name)),
    hypervisor: async () => ({
      guestAgent: (server: { uuid: string; name: string }) => new FakeGuestAgent(server, () => !isSilent, passwords),
      requireFence: () => fence(),
    }),
    catalog: { getServer: async () => ({ protection: NO_PROTECTION }) },
    log: { info: log, warn: log, error: log },
  } as unknown as ActivityDependencies);
};
const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work) as Promise<T>;

describe('what an image remembers', () => {
  it('is which version counts, and since when', async () => {
    expect(await run(() => calls().rememberCredentials([ROOT]))).toEqual([
      { account: 'root', store: 'people', path: 'servers/db01', version: '2', createdAt: '2026-02-01T00:00:00.000Z', problem: null },
    ]);
  });

  it.each(['SECRET_STORE_SEALED', 'SECRET_STORE_UNREACHABLE', 'SECRET_STORE_DENIED', 'SECRET_VERSION_LOST'] as const)(
    'of a store that says %s, is that: no image is kept from being taken',
    async (code) => {
      const one = calls(async () => ({ currentVersion: broken(code) }) as never);
      expect(await run(() => one.rememberCredentials([ROOT]))).toMatchObject([{ account: 'root', version: null, createdAt: null, problem: code }]);
      expect(JSON.stringify(said)).toContain(code);
    },
  );

  it('of a store that this worker does not know, or whose declaration is wrong, is that', async () => {
    expect(await run(() => calls().rememberCredentials([{ ...ROOT, store: 'vault' }, ROOT]))).toMatchObject([
      { problem: 'SECRET_STORE_NOT_CONFIGURED' },
      { version: '2' },
    ]);
    writeFileSync(join(directory, 'stores.yaml'), 'stores:\n  - name: people\n    kind: cupboard\n', { mode: 0o600 });
    expect(await run(() => calls().rememberCredentials([ROOT]))).toMatchObject([{ problem: 'SECRET_STORE_INVALID' }]);
  });
});

describe('what a plan hears', () => {
  const then = (version: string | null): CredentialReference => ({
    account: 'root',
    store: 'people',
    path: 'servers/db01',
    version,
    createdAt: null,
    problem: null,
  });
  const survey = (declared: readonly CredentialDeclaration[], credentials: readonly CredentialReference[], of = calls()) =>
    run(() => of.surveyCredentials({ protection: { ...NO_PROTECTION, credentials: declared } }, { credentials }));

  it('is which version counts now, and whether that of the image can still be read', async () => {
    const current = { version: '2', createdAt: '2026-02-01T00:00:00.000Z' };
    expect(await survey([ROOT], [then('1')])).toEqual([{ account: 'root', current, problem: null, remembered: 'there' }]);
    expect(await survey([ROOT], [])).toEqual([{ account: 'root', current, problem: null, remembered: null }]);
    expect(await survey([], [then('1')])).toEqual([{ account: 'root', current, problem: null, remembered: 'there' }]);
  });

  it('says that the store has lost the old version, or all that stood there', async () => {
    versions({ 2: NEW });
    expect(await survey([ROOT], [then('1')])).toMatchObject([{ current: { version: '2' }, remembered: 'unknown' }]);
    writeFileSync(join(directory, 'passwords.yaml'), '{"credentials":{}}', { mode: 0o600 });
    expect(await survey([ROOT], [then('1')])).toMatchObject([{ current: null, problem: 'SECRET_NOT_FOUND', remembered: 'unknown' }]);
  });

  it('of a sealed store is that, and no failure', async () => {
    const sealed = calls(async () => ({ currentVersion: broken('SECRET_STORE_SEALED'), versionState: broken('SECRET_STORE_SEALED') }) as never);
    expect(await survey([ROOT], [then('1')], sealed)).toEqual([{ account: 'root', current: null, problem: 'SECRET_STORE_SEALED', remembered: null }]);
  });
});

describe('the current password', () => {
  const set = (of = calls()) => run(() => of.setCredential(INPUT, PLANNED));

  it('is read when it is set, proven, and stands in nothing that comes back', async () => {
    const done = await set();
    expect(done).toEqual({ isSet: true, version: '2', evidence: 'the guest accepts it (unix_chkpwd), and refuses another one' });
    expect(passwords.get('root')).toBe(NEW);
    expect(hunt.in(JSON.stringify([done, said]))).toEqual([]);
  });

  it('is not set by a run that does not hold the server any more', async () => {
    fence = broken('FENCED_OFF');
    await expect(set()).rejects.toMatchObject({ code: 'FENCED_OFF' });
    expect(passwords.get('root')).toBe(OLD);
  });

  it.each([
    ['a sealed store', 'SECRET_STORE_SEALED'],
    ['a store that has lost the current version', 'SECRET_VERSION_LOST'],
  ] as const)('that cannot be had from %s is for people, who are told so', async (_what, code) => {
    expect(await set(calls(async () => ({ read: broken(code) }) as never))).toEqual({
      isSet: false,
      version: null,
      evidence: expect.stringMatching(new RegExp(`^${code}: it is so `)) as string,
    });
    expect(passwords.get('root')).toBe(OLD);
  });

  it('of an account that is not there, or of a guest that says nothing, is for people', async () => {
    passwords.delete('root');
    expect(await set()).toMatchObject({ isSet: false, version: '2', evidence: expect.stringContaining('CREDENTIAL_NOT_SET') as string });
    isSilent = true;
    expect(await set()).toMatchObject({ isSet: false, evidence: expect.stringContaining('AGENT_SILENT') as string });
  });

  it('that stands there with a line feed is not set, and not shown', async () => {
    versions({ 1: OLD, 2: `${NEW}\n` });
    const done = await set();
    expect(done).toMatchObject({ isSet: false, version: '2', evidence: expect.stringContaining('SECRET_STORE_INVALID') as string });
    expect(hunt.in(JSON.stringify([done, said]))).toEqual([]);
    expect(passwords.get('root')).toBe(OLD);
  });
});
