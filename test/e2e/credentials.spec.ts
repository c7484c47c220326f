import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CredentialDeclaration } from '../../src/contracts/credential';
import type { GenerationDetail } from '../../src/contracts/generation';
import type { RestorePlanBody } from '../../src/contracts/plan';
import { isFinal, type RunView } from '../../src/contracts/run';
import { guestExec, waitForAgent, type GuestServer } from '../guests/guest-server';
import { E2eStack } from '../support/e2e-stack';
import { GuestLogin } from '../support/guest-login';
import { ArgvWatch, SecretHunt } from '../support/secret-hunt';
import { eventually } from '../support/up-process';
import { VaultServer } from '../support/vault-server';

/** A password is changed, in the server and in the secret store of its people; the server goes back to an image of before, and can be logged in to all the same. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-credentials';
const PASSWORDS = [1, 2, 3].map((version) => `v${version}-${randomBytes(12).toString('hex')}`);
const [FIRST = '', SECOND = '', THIRD = ''] = PASSWORDS;
const stack = new E2eStack({ MODOSU_LOG_LEVEL: 'debug' });
const passwordsFile = (): string => join(stack.directory, 'passwords.yaml');
const ROOT: CredentialDeclaration = { account: 'root', store: 'people', path: `servers/${NAME}`, reapply: true };
const vault = new VaultServer();
const shown: string[] = [];
let guest: GuestServer;
let login: GuestLogin;

/** What people keep, by version. */
const keep = (versions: Readonly<Record<number, string>>): void => {
  const list = Object.entries(versions).map(([version, password]) => ({ version: Number(version), createdAt: new Date().toISOString(), password }));
  writeFileSync(`${passwordsFile()}.new`, JSON.stringify({ credentials: { [`servers/${NAME}`]: { versions: list } } }), { mode: 0o600 });
  renameSync(`${passwordsFile()}.new`, passwordsFile());
};
/** As an administrator does it, without Modosu. */
const setInGuest = async (password: string): Promise<void> =>
  expect(await guestExec(guest.uuid, ['chpasswd'], { input: `root:${password}\n` })).toMatchObject({ exitCode: 0 });
const letsIn = async (): Promise<readonly boolean[]> => {
  await waitForAgent(guest.uuid, 120_000);
  const answers: boolean[] = [];
  for (const password of PASSWORDS) answers.push(await login.isLetIn('root', password));
  return answers;
};
const generation = async (number: number): Promise<GenerationDetail> => {
  const { body } = await stack.get<GenerationDetail>(`/v1/servers/${NAME}/generations/${number}`);
  shown.push(JSON.stringify(body));
  return body;
};
const planOf = async (number: number, options: object = {}) => {
  const plan = await stack.planWith(NAME, { recoveryPointId: (await generation(number)).recoveryPointId, ...options });
  expect(plan).toMatchObject({ state: 'ready' });
  shown.push(JSON.stringify(plan));
  return { plan, body: plan.body as RestorePlanBody };
};
const findingsOf = ({ findings }: RestorePlanBody) =>
  findings.filter(({ code }) => code.startsWith('CREDENTIAL_')).map(({ code, severity }) => [code, severity]);
const stepOf = (run: RunView, key: string) => run.steps.find((step) => step.key === key);

beforeAll(async () => {
  await stack.start();
  writeFileSync(join(stack.directory, 'token'), [...vault.tokens].join(''), { mode: 0o600 });
  const stores = [
    { name: 'people', kind: 'file', path: passwordsFile() },
    { name: 'vault', kind: 'vault', address: await vault.listen(), tokenFile: join(stack.directory, 'token') },
  ];
  writeFileSync(join(stack.stateDirectory, 'secret-stores.yaml'), JSON.stringify({ stores }), { mode: 0o644 });
  keep({ 1: FIRST });
  guest = await stack.addServer({
    name: NAME,
    guest: 'minimal',
    protection: { credentials: [ROOT] },
  });
  login = new GuestLogin(guest.uuid, stack.directory);
  await waitForAgent(guest.uuid, 120_000);
  await setInGuest(FIRST);
});
afterAll(async () => {
  await stack.close();
  await vault.close();
});

it('an image remembers which version was valid, without reading it', async () => {
  await stack.backup(NAME, 'registered', { mode: 'online' });
  const { credentials } = await generation(1);
  expect(credentials).toEqual([
    { account: 'root', store: 'people', path: `servers/${NAME}`, version: '1', createdAt: expect.stringMatching(/^20/) as string, problem: null },
  ]);
  const { stdout } = await stack.cli(['generation', 'show', NAME, '1']);
  expect(stdout).toMatch(new RegExp(`Credentials that were valid\\n.*\\n +root +people +servers/${NAME} +1 +20`));
  shown.push(stdout);
});

it('the plan of a restore says that it was rotated, and the restore sets the current one: with it people get in, with the old one they do not', async () => {
  keep({ 1: FIRST, 2: SECOND });
  await setInGuest(SECOND);
  expect(await letsIn()).toEqual([false, true, false]);
  const argv = new ArgvWatch();
  const { plan, body } = await planOf(1);
  expect(findingsOf(body)).toEqual([['CREDENTIAL_ROTATED', 'step']]);
  expect(body.credentials).toMatchObject([{ account: 'root', then: { version: '1' }, thenState: 'there', now: { version: '2' }, changed: 'yes', isSet: true }]);
  shown.push((await stack.cli(['restore', 'show', plan.id])).stdout);
  expect(shown.at(-1)).toMatch(/root +people +servers\/e2e-credentials +1 +2 .*the current one: the run sets it/);

  const run = await stack.finished((await stack.startRestore(plan)).id);
  const seen = argv.end();
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  expect(stepOf(run, 'credential:root')).toMatchObject({
    state: 'succeeded',
    detail: { set: true, version: '2', evidence: 'the guest accepts it (unix_chkpwd), and refuses another one' },
  });
  expect(await letsIn()).toEqual([false, true, false]);
  expect(seen).toContain('virsh');
  expect(new SecretHunt(new Map(PASSWORDS.map((password, index) => [`version ${index + 1}`, password]))).in(seen)).toEqual([]);
  await stack.expectOrder(run);
});

it('left as it is, the restored server knows the old one, and the plan has said so', async () => {
  const { plan, body } = await planOf(1, { leaveCredentials: true });
  expect(findingsOf(body)).toEqual([['CREDENTIAL_ROTATED', 'warn']]);
  const run = await stack.finished((await stack.startRestore(plan)).id);
  expect(run).toMatchObject({ state: 'succeeded' });
  expect(stepOf(run, 'credential:root')).toBeUndefined();
  expect(await letsIn()).toEqual([true, false, false]);
});

it('a store that has lost the old version is told of before it matters', async () => {
  keep({ 3: THIRD });
  const { plan, body } = await planOf(1);
  expect(findingsOf(body)).toEqual([
    ['CREDENTIAL_ROTATED', 'step'],
    ['CREDENTIAL_VERSION_LOST', 'warn'],
  ]);
  const run = await stack.finished((await stack.startRestore(plan)).id);
  expect(run).toMatchObject({ state: 'succeeded' });
  expect(await letsIn()).toEqual([false, false, true]);
});

it('a store that is sealed keeps no image from being taken and no plan from being made; the restore waits for people, who set the password themselves', async () => {
  vault.put(`servers/${NAME}`, { password: THIRD });
  await stack.declare(NAME, { credentials: [{ ...ROOT, store: 'vault' }] });
  vault.isSealed = true;
  await stack.backup(NAME, 'the store is sealed', { mode: 'online' });
  expect((await generation(2)).credentials).toMatchObject([
    { account: 'root', store: 'vault', version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' },
  ]);
  const { plan, body } = await planOf(1);
  expect(findingsOf(body)).toEqual([
    ['CREDENTIAL_UNKNOWN', 'unknown'],
    ['CREDENTIAL_VERSION_LOST', 'warn'],
  ]);
  // Nobody has asked for a value so far.
  expect(vault.requests.map(({ url }) => url)).toEqual(vault.requests.map(() => `/v1/secret/metadata/servers/${NAME}`));
  const { id } = await stack.startRestore(plan, { acknowledgeUnknown: true });
  const waiting = await eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === 'sign-off' || isFinal(state),
    240_000,
  );
  expect(waiting).toMatchObject({ state: 'running', waitingFor: 'sign-off' });
  expect(stepOf(waiting, 'credential:root')).toMatchObject({ detail: { set: false, evidence: expect.stringMatching(/^SECRET_STORE_SEALED: /) as string } });
  await setInGuest(THIRD);
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'set by hand' });
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded' });
  expect(stepOf(run, 'sign-off')).toMatchObject({ detail: { reason: 'set by hand', passwordsOf: 'root' } });
  expect(await letsIn()).toEqual([false, false, true]);

  // The image does not know its version; the store had the present one long before.
  vault.isSealed = false;
  const { body: unsealed } = await planOf(2);
  expect(unsealed.credentials).toMatchObject([{ then: { version: null, problem: 'SECRET_STORE_SEALED' }, now: { version: '1' }, changed: 'no', isSet: false }]);
  expect(findingsOf(unsealed)).toEqual([]);
});

it('no password stands in a plan, an answer, a log, a history or any other file of the installation', async () => {
  const hunt = new SecretHunt(new Map(PASSWORDS.map((password, index) => [`version ${index + 1}`, password])));
  for (const { id } of (await stack.get<{ items: readonly RunView[] }>(`/v1/runs?server=${NAME}`)).body.items) shown.push(JSON.stringify(await stack.run(id)));
  shown.push(JSON.stringify((await stack.get('/v1/audit?limit=200')).body), (await stack.cli(['doctor'])).stdout, stack.printed);
  expect(shown.join('\n')).toContain('credential:root');
  expect(hunt.in(shown.join('\n'))).toEqual([]);
  expect(hunt.inFiles(stack.stateDirectory)).toEqual([]);
  expect(hunt.inFiles(join(stack.repository, 'staging'))).toEqual([]);
});
