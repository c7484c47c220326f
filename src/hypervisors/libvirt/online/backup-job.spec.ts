import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../../contracts/ids';
import type { CommandOutcome } from '../../../system/child-process';
import { BackupJob } from './backup-job';
import { Virsh } from '../virsh';

const SERVER = { uuid: '3f0c9c1e-1111-4222-8333-444455556666', name: 'db01' };
const DISKS = [
  { target: 'vda', targetPath: '/repository/vda.qcow2' },
  { target: 'vdb', targetPath: '/repository/a <b> "c"\'&.qcow2' },
];
const [OLD, NEW] = [newId('rp'), newId('rp')];
const NONE = 'error: Domain backup job id not found: no domain backup job present';

/** virsh with scripted answers: standard output, or an error. */
class ScriptedVirsh extends Virsh {
  readonly asked: string[][] = [];
  readonly files: string[] = [];

  constructor(
    directory: string,
    private readonly answer: (command: string, asked: number) => string | { readonly error: string },
  ) {
    super({ name: 'lab', uri: 'qemu:///system', stateDirectory: directory });
  }

  override async attempt(args: readonly [string, ...string[]]): Promise<CommandOutcome> {
    this.asked.push([...args]);
    for (const option of ['--backupxml', '--checkpointxml']) {
      const file = args[args.indexOf(option) + 1];
      if (args.includes(option) && file !== undefined) this.files.push(readFileSync(file, 'utf8'));
    }
    const answer = this.answer(args[0], this.asked.filter(([command]) => command === args[0]).length);
    const common = { signal: null, truncated: false, timedOut: false };
    return typeof answer === 'string' ? { ...common, exitCode: 0, stdout: answer, stderr: '' } : { ...common, exitCode: 1, stdout: '', stderr: answer.error };
  }
}

const backupOf = (disks: readonly { readonly target: string; readonly targetPath: string }[]): string => {
  const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<domainbackup mode='push'><disks>${disks.map(({ target, targetPath }) => `<disk name='${target}' backup='yes' type='file'><target file='${escaped(targetPath)}'/></disk>`).join('')}<disk name='sda' backup='no'/></disks></domainbackup>`;
};

describe('BackupJob', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'modosu-job-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const job = (answer: ConstructorParameters<typeof ScriptedVirsh>[1]): { job: BackupJob; virsh: ScriptedVirsh } => {
    const virsh = new ScriptedVirsh(directory, answer);
    return { virsh, job: new BackupJob(virsh, SERVER, DISKS) };
  };

  it('is ours only when it writes to exactly our targets', async () => {
    expect(await job(() => backupOf(DISKS)).job.present()).toEqual({ kind: 'ours' });
    expect(await job(() => ({ error: NONE })).job.present()).toEqual({ kind: 'none' });
    expect(await job(() => backupOf(DISKS.slice(1))).job.present()).toMatchObject({ kind: 'foreign' });
    expect(await job(() => backupOf([...DISKS, { target: 'vdc', targetPath: '/repository/vdc.qcow2' }])).job.present()).toMatchObject({ kind: 'foreign' });
    expect(await job(() => backupOf(DISKS.map((disk) => ({ ...disk, targetPath: '/elsewhere' })))).job.present()).toMatchObject({
      kind: 'foreign',
      what: expect.stringContaining('/elsewhere') as string,
    });
    await expect(job(() => ({ error: 'error: something else' })).job.present()).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
  });

  it('sees jobs of other kinds too', async () => {
    const { job: migrating } = job((command) =>
      command === 'domjobinfo' ? 'Job type:         Unbounded\nOperation:        Outgoing migration\n' : { error: NONE },
    );
    expect(await migrating.presentOfAnyKind()).toEqual({ kind: 'foreign', what: 'a job "Outgoing migration"' });
  });

  it('begins with every name escaped and everything else left out', async () => {
    const { job: begun, virsh } = job(() => 'Backup started');
    await begun.begin(['sda'], null, 5_000);
    expect(virsh.files[0]).toContain('<target file="/repository/a &#60;b&#62; &#34;c&#34;&#39;&#38;.qcow2"/>');
    expect(virsh.files[0]).toContain('<disk name="sda" backup="no"/>');
    expect(virsh.asked[0]).toContain('--reuse-external');
    await expect(job(() => ({ error: 'error: no room in the monitor' })).job.begin([], null, 5_000)).rejects.toMatchObject({
      code: 'BACKUP_JOB_FAILED',
      message: expect.stringContaining('no room in the monitor') as string,
    });
  });

  it('writes what has changed where it is asked to, whole images beside it, and names every disk of the checkpoint', async () => {
    const disks = [
      { target: 'vda', targetPath: '/r/vda.qcow2', backingName: '../../rp/disks/vda.qcow2' },
      { target: 'vdb', targetPath: '/r/vdb.qcow2' },
    ];
    const virsh = new ScriptedVirsh(directory, () => 'Backup started');
    await new BackupJob(virsh, SERVER, disks).begin(['sda'], { name: NEW, able: ['vda'], since: OLD }, 5_000);
    const [backup, checkpoint] = virsh.files;
    expect(backup).toContain(`<incremental>modosu-${OLD}</incremental>`);
    expect(backup).toContain('name="vda" backup="yes" type="file" backupmode="incremental"');
    expect(backup).toContain('name="vdb" backup="yes" type="file" backupmode="full"');
    expect(checkpoint).toContain(`<name>modosu-${NEW}</name>`);
    expect(checkpoint).toContain(`<disk name="vda" checkpoint="bitmap" bitmap="modosu-${NEW}"/>`);
    for (const target of ['vdb', 'sda']) expect(checkpoint).toContain(`<disk name="${target}" checkpoint="no"/>`);
  });

  it('says that a checkpoint was in the way only where one was asked for', async () => {
    const refusal = { error: "error: checkpoint inconsistent: missing or broken bitmap 'x' for disk 'vda'" };
    const incremental = { name: NEW, able: ['vda'], since: OLD };
    await expect(job(() => refusal).job.begin([], incremental, 5_000)).rejects.toMatchObject({ code: 'CHECKPOINT_LOST' });
    const readOnly = { error: "error: unsupported configuration: disk 'vdb' is empty or readonly" };
    await expect(job(() => readOnly).job.begin([], { ...incremental, since: null }, 5_000)).rejects.toMatchObject({ code: 'CHECKPOINT_LOST' });
    await expect(job(() => refusal).job.begin([], null, 5_000)).rejects.toMatchObject({ code: 'BACKUP_JOB_FAILED' });
    await expect(job(() => ({ error: 'error: no room' })).job.begin([], incremental, 5_000)).rejects.toMatchObject({ code: 'BACKUP_JOB_FAILED' });
  });

  it("cancels its own job until it is gone, and never another's", async () => {
    const ours = job((command, asked) => (command === 'backup-dumpxml' ? (asked < 3 ? backupOf(DISKS) : { error: NONE }) : ''));
    expect(await ours.job.cancel()).toBe(true);
    expect(ours.virsh.asked.filter(([command]) => command === 'domjobabort')).toHaveLength(2);
    const theirs = job(() => backupOf([{ target: 'vda', targetPath: '/theirs' }]));
    expect(await theirs.job.cancel()).toBe(false);
    expect(theirs.virsh.asked.map(([command]) => command)).toEqual(['backup-dumpxml']);
  });

  it('reads the progress of a disk, and nothing where none runs', async () => {
    expect(await job(() => ' type=Backup\n bandwidth=10\n cur=76808192\n end=201326592\n').job.progress('vda')).toEqual({
      doneBytes: 76_808_192,
      totalBytes: 201_326_592,
    });
    expect(await job(() => '').job.progress('vda')).toBeNull();
    expect(await job(() => ' type=Block Pull\n cur=1\n end=2\n').job.progress('vda')).toBeNull();
  });

  it('has libvirt forget the end of an earlier one', async () => {
    const { job: begun, virsh } = job(() => '');
    await begun.forgetLastEnd();
    expect(virsh.asked).toEqual([['domjobinfo', '--domain', SERVER.uuid, '--completed']]);
  });

  it('believes a remembered end only of a backup of this size', async () => {
    const said = (type: string, total: string, operation = 'Backup'): string =>
      `Job type:         ${type}\nOperation:        ${operation}\nFile total:       ${total}\n`;
    const size = 448 * 1024 ** 2;
    expect(await job(() => said('Completed', '448.000 MiB')).job.lastEnd(size)).toBe('completed');
    expect(await job(() => said('Completed', '1.438 GiB')).job.lastEnd(1472 * 1024 ** 2)).toBe('completed');
    expect(await job(() => said('Completed', '449.000 MiB')).job.lastEnd(size)).toBeNull();
    expect(await job(() => said('Completed', '448.000 MiB', 'Snapshot')).job.lastEnd(size)).toBeNull();
    expect(await job(() => said('Failed', '')).job.lastEnd(size)).toBe('failed');
    expect(await job(() => 'Job type:         None\n').job.lastEnd(size)).toBeNull();
    // How much had changed, nobody knew when it began.
    const changes = new BackupJob(new ScriptedVirsh(directory, () => said('Completed', '9.125 MiB')), SERVER, [
      { target: 'vda', targetPath: '/r/vda.qcow2', backingName: 'b' },
    ]);
    expect(await changes.lastEnd(size)).toBe('completed');
    expect(await changes.lastEnd(9 * 1024 ** 2)).toBeNull();
    const nothing = new BackupJob(new ScriptedVirsh(directory, () => 'Job type:         Completed\nOperation:        Backup\n'), SERVER, [
      { target: 'vda', targetPath: '/r/vda.qcow2', backingName: 'b' },
    ]);
    expect(await nothing.lastEnd(size)).toBe('completed');
    expect(await job(() => 'Job type:         Completed\nOperation:        Backup\n').job.lastEnd(size)).toBeNull();
  });
});
