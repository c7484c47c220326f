import { ModosuError } from '../../contracts/errors';
import { FakeGuestAgent } from '../../../test/support/fake-guest-agent';
import { SecretHunt } from '../../../test/support/secret-hunt';
import { setPassword } from './set-password';

const OLD = 'the one of the image, long enough';
const NEW = "the current one: 'quoted', with $HOME, `ticks` and 戻す";

class Guest extends FakeGuestAgent {
  readonly asked: string[] = [];

  constructor(
    readonly accounts: Map<string, string>,
    private readonly broken: { readonly set?: () => Promise<void>; readonly check?: (right: number) => number | ModosuError } = {},
  ) {
    super({ uuid: '5f0c2b1e-5a0e-4d51-9d0a-3c9b1f6f2f11', name: 'db01' }, () => true, accounts);
  }

  override async exec(argv: readonly [string, ...string[]], options: { readonly input?: string | Uint8Array } = {}) {
    this.asked.push(argv.join(' '));
    const right = await super.exec(argv, options);
    const exitCode = this.broken.check?.(right.exitCode) ?? right.exitCode;
    if (exitCode instanceof ModosuError) throw exitCode;
    // A guest that repeats what it was told.
    return { ...right, exitCode, stdout: String(options.input), stderr: String(options.input) };
  }

  override async setPassword(account: string, password: string): Promise<void> {
    this.asked.push(`set ${account}`);
    await (this.broken.set ?? (() => super.setPassword(account, password)))();
  }
}

const fences: string[] = [];
const set = (guest: Guest, account = 'root', password = NEW) => setPassword(guest, account, password, { beforeSetting: async () => void fences.push('held') });
beforeEach(() => void fences.splice(0));

it('sets it under the fence, and proves it: what the guest accepts now, and refuses of all others', async () => {
  const guest = new Guest(new Map([['root', OLD]]));
  expect(await set(guest)).toEqual({ evidence: 'the guest accepts it (unix_chkpwd), and refuses another one' });
  expect(guest.accounts.get('root')).toBe(NEW);
  expect(fences).toEqual(['held']);
  expect(guest.asked).toEqual(['unix_chkpwd root nonull', 'set root', 'unix_chkpwd root nonull', 'unix_chkpwd root nonull']);
  expect(new SecretHunt(new Map([['new', NEW]])).in(guest.asked.join('\n'))).toEqual([]);
});

it('leaves an account alone that has it: a second attempt changes nothing', async () => {
  const guest = new Guest(new Map([['root', NEW]]));
  expect(await set(guest)).toEqual({ evidence: 'the guest accepted it already (unix_chkpwd), and refuses another one' });
  expect([fences, guest.asked]).toEqual([[], ['unix_chkpwd root nonull', 'unix_chkpwd root nonull']]);
});

it('takes no silence for a failure, and no answer for a success', async () => {
  const silent = new ModosuError('AGENT_SILENT', 'nobody answers');
  const done = new Map([['root', OLD]]);
  const late = new Guest(done, {
    set: async () => {
      done.set('root', NEW);
      throw silent;
    },
  });
  expect(await set(late)).toMatchObject({ evidence: expect.stringContaining('accepts it') as string });
  await expect(set(new Guest(new Map([['root', OLD]]), { set: () => Promise.reject(silent) }))).rejects.toBe(silent);
  await expect(set(new Guest(new Map([['root', OLD]]), { set: async () => undefined }))).rejects.toMatchObject({
    code: 'CREDENTIAL_NOT_PROVEN',
    message: expect.stringContaining('does not accept it') as string,
  });
});

it('believes no guest that accepts everything, and says so of one that can check nothing', async () => {
  await expect(set(new Guest(new Map([['root', OLD]]), { check: () => 0 }))).rejects.toMatchObject({
    code: 'CREDENTIAL_NOT_PROVEN',
    message: expect.stringContaining('accepts any password') as string,
  });
  const missing = new ModosuError('AGENT_COMMAND_FAILED', 'No such file or directory');
  const guest = new Guest(new Map([['root', OLD]]), { check: () => missing });
  await expect(set(guest)).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_PROVEN', message: expect.stringContaining('it was set, but') as string });
  expect(guest.accounts.get('root')).toBe(NEW);
});

it('of an account that is not there nothing is set', async () => {
  await expect(set(new Guest(new Map([['root', OLD]])), 'importer')).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_SET' });
});

it.each([
  ['a line feed at its end', `${NEW}\n`],
  ['a second account on a second line', 'x\nroot2:y'],
  ['a zero byte', 'half\0other half'],
  ['600 bytes', 'p'.repeat(600)],
])('what can be no password is refused before the guest is asked anything, and not shown: %s', async (_what, password) => {
  const guest = new Guest(new Map([['root', OLD]]));
  const thrown: unknown = await set(guest, 'root', password).catch((error: unknown) => error);
  expect(thrown).toMatchObject({ code: 'SECRET_STORE_INVALID' });
  expect((thrown as ModosuError).message).not.toContain(password.slice(0, 10));
  expect([guest.asked, fences]).toEqual([[], []]);
});
