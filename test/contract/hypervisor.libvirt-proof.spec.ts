import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { BootProof, BootProofRequest, Hypervisor } from '../../src/hypervisors/hypervisor';
import { sha256OfFile } from '../../src/system/files';
import { createGuestServer, type GuestKind, type GuestServer } from '../guests/guest-server';
import { eventually } from '../support/up-process';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { refusedWith } from './hypervisor.contract';

jest.setTimeout(240_000);
const never = new AbortController().signal;

/** Images of real guests, as they lie in a repository: nobody but root may read them. */
describe('boot proofs of the libvirt adapter', () => {
  let lab: LibvirtLab;
  let hypervisor: Hypervisor;
  let scratch: string;
  const guests: GuestServer[] = [];

  beforeAll(async () => {
    lab = await createLibvirtLab();
    scratch = join(lab.diskDirectory, 'proofs');
    mkdirSync(scratch);
    chmodSync(scratch, 0o711);
    hypervisor = lab.adapter({ proofDirectory: scratch });
  });
  afterAll(async () => {
    for (const id of await hypervisor.listProofs()) if (readdirSync(scratch).some((name) => name.includes(id))) await hypervisor.endProof(id);
    for (const guest of guests) await guest.destroy();
    await lab.dispose();
  });

  /** An image of a guest that has never been started, with its definition. */
  async function image(kind: GuestKind, name: string): Promise<BootProofRequest & { readonly guest: GuestServer; readonly imagePath: string }> {
    const guest = await createGuestServer({ name, guest: kind, directory: join(lab.diskDirectory, name), start: false });
    guests.push(guest);
    const stored = join(lab.diskDirectory, `stored-${name}`);
    mkdirSync(stored, { mode: 0o700 });
    const copied = async (from: string, to: string): Promise<string> => {
      await copyFile(from, join(stored, to));
      await chmod(join(stored, to), 0o600);
      return join(stored, to);
    };
    const definitionPath = join(stored, 'domain.xml');
    writeFileSync(definitionPath, await lab.virsh('dumpxml', '--inactive', '--security-info', guest.uuid), { mode: 0o600 });
    const imagePath = await copied(guest.systemDisk.path, 'vda.qcow2');
    return {
      guest,
      imagePath,
      proofId: newId('vrf'),
      definitionPath,
      disks: [{ target: 'vda', imageFiles: [imagePath] }],
      nvramPath: guest.nvram === null ? null : await copied(guest.nvram, 'nvram.fd'),
    };
  }
  const traceOf = async (path: string) => {
    const { uid, gid, mode, mtimeMs } = statSync(path);
    return { sha256: await sha256OfFile(path), uid, gid, mode, mtimeMs };
  };
  const answers = ({ server }: BootProof): Promise<void> => hypervisor.guestAgent(server).waitUntilAnswering({ deadlineMs: 120_000, signal: never });
  const isThere = async (proofId: string): Promise<boolean> => (await hypervisor.listProofs()).includes(proofId);
  /** Processes that show this image. */
  const isShown = (path: string): readonly string[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(path);
        } catch {
          return false;
        }
      });
  const run = async (proof: BootProof, script: string) => hypervisor.guestAgent(proof.server).exec(['sh', '-c', script], { timeoutMs: 30_000 });

  it.each<[GuestKind]>([['minimal'], ['minimal-uefi']])(
    'boot a %s guest without a network, and leave its image, its owner and its server as they were',
    async (kind) => {
      const { guest, ...request } = await image(kind, `modosu-test-proof-${kind}`);
      const before = await traceOf(request.imagePath);
      const proof = await hypervisor.startProof(request, { signal: never });
      try {
        await answers(proof);
        const carriers = await run(proof, 'cat /sys/class/net/e*/carrier 2>&1; echo written > /written; sync; cat /written');
        expect(JSON.stringify(carriers)).not.toMatch(/(^|\\n|")1\\n/);
        expect(JSON.stringify(carriers)).toContain('written');
        expect(await isThere(request.proofId)).toBe(true);
        expect(await lab.virsh('dominfo', proof.server.uuid)).toMatch(/Persistent: +no/);
        expect(await hypervisor.powerState({ uuid: guest.uuid, name: guest.name })).toBe('off');
        expect(await traceOf(request.imagePath)).toEqual(before);
        const directory = join(scratch, proof.server.name);
        for (const name of readdirSync(directory).filter((entry) => entry.endsWith('.sock'))) expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
      } finally {
        await proof.stop();
      }
      await proof.stop();
      expect(await traceOf(request.imagePath)).toEqual(before);
      expect(await isThere(request.proofId)).toBe(false);
      expect(readdirSync(scratch)).toEqual([]);
      expect(isShown(request.imagePath)).toEqual([]);
    },
  );

  describe('what goes wrong', () => {
    let request: Awaited<ReturnType<typeof image>>;
    beforeAll(async () => {
      request = await image('minimal', 'modosu-test-proof-faults');
    });
    const nothingIsLeft = async (proofId: string): Promise<void> => {
      expect(await isThere(proofId)).toBe(false);
      expect(readdirSync(scratch)).toEqual([]);
      expect(isShown(request.imagePath)).toEqual([]);
    };

    it('an attempt whose worker has died is replaced by the next one, or removed', async () => {
      const first = await hypervisor.startProof(request, { signal: never });
      // Its worker is gone: nobody stops it. The next attempt comes from another adapter.
      const other = lab.adapter({ proofDirectory: scratch });
      const second = await other.startProof(request, { signal: never });
      expect(second.server.name).not.toBe(first.server.name);
      // It comes back to life, and ends its own: no other.
      await first.stop();
      await answers(second);
      expect(second.lost.aborted).toBe(false);
      await other.endProof(request.proofId);
      await other.endProof(request.proofId);
      await Promise.all([first.stop(), second.stop()]);
      await nothingIsLeft(request.proofId);
    });

    it('one that is stopped in the middle leaves nothing', async () => {
      const stop = new AbortController();
      const started = hypervisor.startProof(request, { signal: stop.signal });
      stop.abort(new Error('cancelled'));
      await expect(started).rejects.toThrow('cancelled');
      await nothingIsLeft(request.proofId);
    });

    it('an image that is none, or not there', async () => {
      const none = join(lab.diskDirectory, 'none.qcow2');
      writeFileSync(none, 'not an image');
      await expect(hypervisor.startProof({ ...request, disks: [{ target: 'vda', imageFiles: [none] }] }, { signal: never })).rejects.toEqual(
        refusedWith('HYPERVISOR_COMMAND_FAILED'),
      );
      await expect(hypervisor.startProof({ ...request, disks: [{ target: 'vda', imageFiles: [`${none}.gone`] }] }, { signal: never })).rejects.toEqual(
        refusedWith('HYPERVISOR_COMMAND_FAILED'),
      );
      await nothingIsLeft(request.proofId);
    });

    it('a definition with other disks, with more memory than there is, or that libvirt refuses', async () => {
      const changed = async (change: (xml: string) => string): Promise<BootProofRequest> => {
        const path = join(lab.diskDirectory, 'changed.xml');
        writeFileSync(path, change(await lab.virsh('dumpxml', '--inactive', request.guest.uuid)));
        return { ...request, definitionPath: path };
      };
      const start = async (change: (xml: string) => string) => hypervisor.startProof(await changed(change), { signal: never });
      await expect(start((xml) => xml.replace("dev='vda'", "dev='vdq'"))).rejects.toEqual(refusedWith('START_FAILED'));
      await expect(start((xml) => xml.replace(/<memory unit='KiB'>\d+</, "<memory unit='KiB'>99999999999<"))).rejects.toEqual(refusedWith('NOT_ENOUGH_MEMORY'));
      await expect(start((xml) => xml.replace(/machine='[^']+'/, "machine='pc-none'"))).rejects.toEqual(refusedWith('START_FAILED'));
      await nothingIsLeft(request.proofId);
    });

    it('what somebody else has put in its place is left as it is', async () => {
      const squatted = join(scratch, `modosu-proof-${request.proofId}-00000000`);
      writeFileSync(squatted, 'mine');
      await expect(hypervisor.startProof(request, { signal: never })).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
      expect(existsSync(squatted)).toBe(true);
      await lab.run('rm', squatted);
    });

    it('images that are not shown any more, and a host that runs out of room', async () => {
      const proof = await hypervisor.startProof(request, { signal: never });
      try {
        for (const pid of isShown(request.imagePath)) process.kill(Number(pid), 'SIGXFSZ');
        await eventually(
          () => proof.lost.aborted,
          (isLost) => isLost,
          20_000,
        );
        expect(proof.lost.reason).toMatchObject({ code: 'NOT_ENOUGH_SPACE' });
      } finally {
        await proof.stop();
      }
      await nothingIsLeft(request.proofId);
    });

    it('ids that are none', async () => {
      for (const proofId of ['', '../x', newId('run')]) {
        await expect(hypervisor.startProof({ ...request, proofId }, { signal: never })).rejects.toEqual(refusedWith('REQUEST_INVALID'));
      }
    });
  });
});
