import { ModosuError } from '../../../contracts/errors';
import type { CommandOutcome } from '../../../system/child-process';
import { Virsh } from '../virsh';
import { createLibvirtHypervisor } from '../libvirt-hypervisor';
import { Usage } from './usage';

const [OFF, RUNNING] = ['3f0c9c1e-1111-4222-8333-444455556666', '3f0c9c1e-1111-4222-8333-444455557777'] as const;
const RUN = 'run_01aaaaaaaaaaaaaaaaaaaaaaaa';
const [STORED, PLUGGED] = ['/srv/stored.qcow2', '/srv/plugged.qcow2'] as const;

const definition = (uuid: string, path: string): string =>
  `<domain type='qemu'><name>db01</name><uuid>${uuid}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>` +
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;

/** virsh in front of two servers: one is off, one runs with another disk than its stored definition names. */
class TwoServers extends Virsh {
  known: string[] = [OFF, RUNNING];
  /** What libvirt says instead of the running definition. */
  refusal: string | null = null;
  /** libvirt does not even refuse it. */
  isSilent = false;
  /** What has happened by then. */
  onRefusal = (): void => undefined;

  constructor() {
    super({ name: 'local', uri: 'qemu:///system', stateDirectory: '/nonexistent' });
  }

  override async run(args: readonly string[]): Promise<string> {
    return `${(args.includes('--all') ? this.known : [RUNNING]).join('\n')}\n\n`;
  }

  override async attempt(args: readonly string[]): Promise<CommandOutcome> {
    const uuid = args[2] ?? '';
    const isStored = args.includes('--inactive');
    if (!isStored && this.isSilent) throw new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', 'no answer');
    const { refusal } = this;
    const refused = !isStored && refusal !== null;
    if (refused) this.onRefusal();
    return {
      exitCode: refused ? 1 : 0,
      signal: null,
      truncated: false,
      timedOut: false,
      stdout: refused ? '' : definition(uuid, isStored ? STORED : PLUGGED),
      stderr: refused ? `error: ${refusal}\n` : '',
    };
  }
}

describe('files that are about to be overwritten or deleted', () => {
  let virsh: TwoServers;
  let usage: Usage;
  afterEach(() => jest.restoreAllMocks());
  beforeEach(() => {
    virsh = new TwoServers();
    usage = new Usage(virsh);
  });

  it.each([STORED, PLUGGED])('are refused when a server uses them: %s', async (path) => {
    await expect(usage.requireUnused(['/srv/free.qcow2', path])).rejects.toMatchObject({ code: 'VOLUME_EXISTS', context: { path } });
  });

  it('are free when no server uses them', async () => {
    await expect(usage.requireUnused(['/srv/free.qcow2'])).resolves.toBeUndefined();
  });

  it.each([
    ['Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainBlockCommit)', 'HYPERVISOR_COMMAND_TIMED_OUT', 'later'],
    ['access denied: Domain db01 secure read', 'HYPERVISOR_COMMAND_FAILED', 'never'],
    // So virsh begins whatever has kept it from the server.
    ["failed to get domain '3f0c'", 'HYPERVISOR_COMMAND_FAILED', 'never'],
  ] as const)('may be used by a server whose definition libvirt refuses to show: %s', async (refusal, code, retry) => {
    virsh.refusal = refusal;
    await expect(usage.requireUnused([PLUGGED])).rejects.toMatchObject({ code, retry, message: expect.stringContaining(refusal) as string });
  });

  it('keep nobody up who cannot be cancelled, for as long as libvirt is busy with a server', async () => {
    virsh.refusal = 'Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainBlockCommit)';
    const refused = { code: 'HYPERVISOR_COMMAND_FAILED', retry: 'never', message: expect.stringContaining('state change lock') as string };
    await expect(usage.requireUnused([PLUGGED], { waits: false })).rejects.toMatchObject(refused);
    virsh.refusal = null;
    virsh.isSilent = true;
    await expect(usage.requireUnused([PLUGGED], { waits: false })).rejects.toMatchObject({ ...refused, message: 'no answer' });
    await expect(usage.requireUnused([PLUGGED])).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_TIMED_OUT', retry: 'later' });
  });

  it('are left alone at once by the undo of a restore while libvirt is busy with a server', async () => {
    jest.spyOn(Virsh.prototype, 'run').mockImplementation((args) => virsh.run(args));
    jest.spyOn(Virsh.prototype, 'attempt').mockImplementation((args) => virsh.attempt(args));
    virsh.isSilent = true;
    const hypervisor = createLibvirtHypervisor({ name: 'local', uri: 'qemu:///system', stateDirectory: '/nonexistent' });
    await expect(hypervisor.discardVolumes({ runId: RUN, paths: [`/srv/vda.${RUN}`] })).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
  });

  it('are looked for once more in a server that was removed and defined again while it was asked', async () => {
    virsh.refusal = 'Domain not found: no domain with matching uuid';
    virsh.onRefusal = () => void (virsh.refusal = null);
    await expect(usage.requireUnused(['/srv/free.qcow2'])).resolves.toBeUndefined();
    virsh.refusal = 'Domain not found: no domain with matching uuid';
    await expect(usage.requireUnused([PLUGGED])).rejects.toMatchObject({ code: 'VOLUME_EXISTS' });
  });

  it('are not used by a server that was removed while it was asked', async () => {
    virsh.refusal = 'Domain not found: no domain with matching uuid';
    virsh.onRefusal = () => void (virsh.known = [OFF]);
    await expect(usage.requireUnused([PLUGGED])).resolves.toBeUndefined();
  });
});
