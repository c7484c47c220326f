import type { DataAccess } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from '../guest-agent';
import { backup, restore } from './guest-restic';
import { readSnapshotId, readSummary, unreadableFiles } from './restic-answers';

const ID = 'ab'.repeat(32);
const SUMMARY = `{"message_type":"summary","total_files_processed":2,"total_bytes_processed":30,"data_added":40,"snapshot_id":"${ID}"}`;
const access: DataAccess = {
  env: { RESTIC_REPOSITORY: 'rest:https://u:hidden-login@10.0.2.2:1/u/', RESTIC_PASSWORD: 'hidden-password', RESTIC_CACERT: '/run/modosu/ca.pem' },
  caCertificate: 'PEM',
  secrets: ['hidden-login', 'hidden-password'],
  keyId: 'k',
  canLock: true,
};
const request = { access, paths: ['/srv/www'] as const, excludes: ['*.log'], tags: ['modosu-data'], host: 'server-id', runId: 'run-0001' };
const work = { signal: new AbortController().signal };

type Answer = Partial<CommandResult> | ModosuError;
/** Answers programs by what they are; what is not said ends well and says nothing. */
class ScriptedAgent {
  readonly ran: GuestProgram[] = [];
  private readonly results: CommandResult[] = [];
  constructor(private readonly answers: (argv: readonly string[]) => Answer | undefined) {}

  start(program: GuestProgram): Promise<number> {
    this.ran.push(program);
    const answer = this.answers(program.argv) ?? defaults(program.argv);
    if (answer instanceof ModosuError) return Promise.reject(answer);
    this.results.push({ exitCode: 0, stdout: '', stderr: '', truncated: false, ...answer });
    return Promise.resolve(this.results.length);
  }
  outcome = (pid: number): Promise<CommandResult | null> => Promise.resolve(this.results[pid - 1] ?? null);
  exec = async (argv: readonly [string, ...string[]]): Promise<CommandResult> => (await this.outcome(await this.start({ argv }))) as CommandResult;
  readFile = (): Promise<Buffer | null> => Promise.resolve(null);
  as = (): GuestAgent => this as unknown as GuestAgent;
  restics = (): GuestProgram[] => this.ran.filter(({ argv }) => argv[0] === 'restic' && argv[1] !== 'version');
}
function defaults(argv: readonly string[]): Answer {
  if (argv[1] === 'version') return { stdout: 'restic 0.14.0 compiled with go1.19.8 on linux/amd64\n' };
  if (argv[0] === 'stat') return { stdout: 'directory\n' };
  if (argv[2] === 'backup') return { stdout: `${SUMMARY}\n` };
  if (argv[0] === 'xargs') return { stdout: 'directory\n' };
  return {};
}

describe('restic in a guest', () => {
  it('gets its secrets in the environment alone, the certificate in a file, and no cache', async () => {
    const agent = new ScriptedAgent(() => undefined);
    expect(await backup(agent.as(), request, work)).toEqual({ snapshotId: ID, files: 2, totalBytes: 30, addedBytes: 40, problems: [], restic: '0.14.0' });
    expect(agent.restics().map(({ argv }) => argv)).toEqual([
      [
        'restic',
        '--no-cache',
        'backup',
        '--json',
        '--host',
        'server-id',
        '--tag',
        'modosu-data',
        '--tag',
        'modosu-run=run-0001',
        '--exclude',
        '*.log',
        '--exclude',
        '.modosu-restore-*',
        '--',
        '/srv/www',
      ],
    ]);
    for (const { argv } of agent.ran) for (const secret of access.secrets) expect(argv.join(' ')).not.toContain(secret);
    expect(agent.restics()[0]?.env).toMatchObject(access.env);
    expect(agent.ran.find(({ argv }) => argv[0] === 'tee')).toMatchObject({ argv: ['tee', '--', '/run/modosu/ca.pem'], input: 'PEM' });
  });

  it.each([
    ['Fatal: wrong password or no key found', 'DATA_REPOSITORY_KEY_WRONG', 'never'],
    ['unable to create lock in backend: repository is already locked exclusively by PID 7', 'DATA_REPOSITORY_LOCKED', 'later'],
    [
      'Fatal: unable to open config file: Head "http://10.0.2.2:1/config": dial tcp 10.0.2.2:1: connect: connection refused\nIs there a repository at the following location?',
      'DATA_REPOSITORY_UNREACHABLE',
      'later',
    ],
    ['write /tmp/restic-temp-pack-1: no space left on device', 'GUEST_DISK_FULL', 'never'],
    ['Fatal: what nobody has heard of, with hidden-password and \u001b[31mhidden-login\u202e', 'DATA_BACKUP_FAILED', 'later'],
    ['', 'DATA_BACKUP_FAILED', 'later'],
  ])('says what "%s" means', async (stderr, code, retry) => {
    const agent = new ScriptedAgent((argv) => (argv[2] === 'backup' ? { exitCode: 1, stderr } : undefined));
    const error = await backup(agent.as(), request, work).then(
      () => null,
      (thrown: unknown) => thrown as ModosuError,
    );
    expect(error).toMatchObject({ code, retry });
    expect(error?.message).not.toMatch(/hidden|[\u001b\u202e]/);
  });

  it('tries three times to read everything, and names what it could not', async () => {
    const stderr = Array.from({ length: 7 }, (_, number) =>
      JSON.stringify({ message_type: 'error', error: { Op: 'open' }, during: 'archival', item: `/srv/www/${number}` }),
    ).join('\n');
    const agent = new ScriptedAgent((argv) => (argv[2] === 'backup' ? { exitCode: 3, stderr, stdout: SUMMARY } : undefined));
    await expect(backup(agent.as(), request, work)).rejects.toMatchObject({
      code: 'DATA_INCOMPLETE',
      message: expect.stringContaining('"/srv/www/4" and 2 more') as string,
    });
    expect(agent.restics()).toHaveLength(3);
  });

  it('takes an end that it cannot read for no success', async () => {
    for (const stdout of ['', '{}', SUMMARY.replace(ID, 'xyz'), SUMMARY.replace('30', '-1'), 'garbage "message_type":"summary"']) {
      const agent = new ScriptedAgent((argv) => (argv[2] === 'backup' ? { stdout } : undefined));
      await expect(backup(agent.as(), request, work)).rejects.toMatchObject({ code: 'DATA_BACKUP_FAILED' });
    }
  });

  it('fails in a way that is tried again when the agent has forgotten the program', async () => {
    const agent = new ScriptedAgent((argv) =>
      argv[2] === 'backup' ? new ModosuError('AGENT_COMMAND_FAILED', 'refused guest-exec-status: PID 7 does not exist') : undefined,
    );
    await expect(backup(agent.as(), request, work)).rejects.toMatchObject({ code: 'DATA_BACKUP_FAILED', retry: 'later' });
  });

  it('looks up the full id, and takes only a snapshot of the run', async () => {
    const listed = (tags: string[]): string => JSON.stringify([{ id: ID, short_id: 'abababab', tags }]);
    const answering = (tags: string[]): ScriptedAgent =>
      new ScriptedAgent((argv) =>
        argv[2] === 'backup' ? { stdout: SUMMARY.replace(ID, 'abababab') } : argv[2] === 'snapshots' ? { stdout: listed(tags) } : undefined,
      );
    expect(await backup(answering(['modosu-run=run-0001']).as(), request, work)).toMatchObject({ snapshotId: ID });
    await expect(backup(answering(['modosu-run=another']).as(), request, work)).rejects.toMatchObject({ code: 'DATA_BACKUP_FAILED' });
  });

  it.each(['/srv/.modosu-restore-other/new', '/', 'relative/run-0001', '/srv/../run-0001', '/srv//run-0001'])(
    "restores into no directory that is not the run's: %s",
    async (target) => {
      const agent = new ScriptedAgent(() => undefined);
      await expect(
        restore(agent.as(), { access, snapshotId: ID, include: ['/srv/www'], target, runId: 'run-0001', expectedBytes: 1 }, work),
      ).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      expect(agent.ran).toEqual([]);
    },
  );

  it('asks for paths as they are, and removes what it has half-written', async () => {
    const target = '/srv/.modosu-restore-run-0001/new';
    const agent = new ScriptedAgent((argv) =>
      argv[2] === 'restore' ? { exitCode: 1, stderr: 'Load(<data/1234>, 1, 0) returned error: ciphertext verification failed' } : undefined,
    );
    await expect(
      restore(agent.as(), { access, snapshotId: ID, include: ['/srv/[a]*'], target, runId: 'run-0001', expectedBytes: 1 }, work),
    ).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    expect(agent.restics().map(({ argv }) => argv)).toEqual([['restic', '--no-cache', 'restore', ID, '--target', target, '--include', '/srv/\\[a]\\*']]);
    expect(agent.ran.at(-1)?.argv).toEqual(['rm', '-rf', '--', target]);
  });

  it('reads without a lock where the repository has no place for one, and never saves without', async () => {
    const agent = new ScriptedAgent(() => undefined);
    const unlocked = { ...access, canLock: false };
    await restore(agent.as(), { access: unlocked, snapshotId: ID, include: ['/srv/www'], target: '/srv/run-0001', runId: 'run-0001', expectedBytes: 1 }, work);
    await backup(agent.as(), { ...request, access: unlocked }, work);
    expect(agent.restics().map(({ argv }) => [argv[2], argv.includes('--no-lock')])).toEqual([
      ['restore', true],
      ['backup', false],
    ]);
  });
});

it('reads answers of restic with distrust', () => {
  expect(readSummary(`noise\n{"message_type":"status"}\n${SUMMARY}\n`)).toEqual({ snapshotId: ID, files: 2, totalBytes: 30, addedBytes: 40 });
  expect(readSnapshotId('null', 'abababab', 't')).toBeNull();
  expect(
    readSnapshotId(
      JSON.stringify([
        { id: ID, tags: ['t'] },
        { id: ID, tags: ['t'] },
      ]),
      'abababab',
      't',
    ),
  ).toBeNull();
  expect(unreadableFiles('{"message_type":"error","item":"/a secret"}\n{"message_type":"error","item":7}\n{"message_type":"error"', ['secret'])).toEqual([
    '/a [redacted]',
  ]);
});
