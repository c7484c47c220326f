import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ONE_UUID as UUID, OneServer } from '../../../../test/support/one-server';
import { newId } from '../../../contracts/ids';
import type { Fence } from '../../../contracts/server';
import { withFence } from '../swaps/domain-rewrite';
import { Swaps } from '../swaps/swap';
import { WayBacks } from '../swaps/way-back';
import { Domains } from './domains';
import { Fences } from './fence';
import { Links } from './links';

const server = { uuid: UUID, name: 'db01' };
const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02'] as const;

describe('go-live', () => {
  let directory: string;
  let virsh: OneServer;
  let links: Links;
  let ours: Fence;
  let old: string;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-links-'));
    virsh = new OneServer({ name: 'kvm1', uri: 'qemu:///system', stateDirectory: directory });
    const [domains, wayBacks] = [new Domains(virsh), new WayBacks(directory)];
    const fences = new Fences(virsh, domains);
    links = new Links(virsh, domains, fences, wayBacks);
    ours = { runId: newId('run'), token: 7 };
    const newPath = join(directory, `vda.qcow2.${ours.runId}`);
    writeFileSync(newPath, '');
    virsh.definition = old = withFence(
      `<domain type='qemu'><name>db01</name><uuid>${UUID}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/vda.qcow2'/><target dev='vda' bus='virtio'/></disk>
      ${MACS.map((mac) => `<interface type='user'><mac address='${mac}'/><model type='virtio'/></interface>`).join('')}</devices></domain>`,
      ours,
    );
    const volume = { target: 'vda', replacesPath: '/images/vda.qcow2', newPath, format: 'qcow2' as const, virtualSizeBytes: 1024, flattened: false };
    await new Swaps(virsh, domains, fences, wayBacks).swap({
      server,
      fence: ours,
      definition: { from: 'present' },
      volumes: [volume],
      nvramNewPath: null,
      renewGenerationId: false,
      quarantinedMacs: MACS,
    });
    virsh.calls.length = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const down = (): number => virsh.definition?.split(/<link state=['"]down['"]\/>/).slice(1).length ?? 0;
  /** libvirt obeys: the first link that is down comes up. */
  const obeying = (also: (raised: number) => void = () => undefined): void => {
    let raised = 0;
    virsh.meanwhile = (command) => {
      if (command !== 'domif-setlink') return;
      virsh.definition = virsh.definition?.replace(/<link state=['"]down['"]\/>/, "<link state='up'/>") ?? null;
      also((raised += 1));
    };
  };

  it('reads the fence right before each link is raised', async () => {
    expect(down()).toBe(2);
    obeying();
    await expect(links.goLive(server, ours)).resolves.toEqual({ raised: MACS });
    expect(down()).toBe(0);
    expect(virsh.calls.flatMap((command, index) => (command === 'domif-setlink' ? [virsh.calls[index - 1]] : []))).toEqual(['dumpxml', 'dumpxml']);
  });

  it('raises nothing where somebody has defined the server with its old volumes again', async () => {
    virsh.definition = old;
    await expect(links.goLive(server, ours)).rejects.toMatchObject({
      code: 'DEFINITION_CHANGED',
      retry: 'never',
      message: expect.stringContaining(`vda.qcow2.${ours.runId}`) as string,
      hint: expect.stringContaining(`\`modosu run undo ${ours.runId}\``) as string,
    });
    expect(virsh.calls).not.toContain('domif-setlink');
    expect(virsh.definition).toBe(old);
  });

  it('leaves the second link down when the server is taken over between two', async () => {
    obeying(() => (virsh.definition = withFence(virsh.definition ?? '', { runId: newId('run'), token: 8 })));
    await expect(links.goLive(server, ours)).rejects.toMatchObject({ code: 'FENCED_OFF', context: { uuid: UUID, token: 7 } });
    expect(down()).toBe(1);
  });
});
