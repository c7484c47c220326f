import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImage } from './fake-files';
import { FAKE_QCOW2_PREFIX_BYTES } from './fake-qcow2';
import { FakeHypervisor } from './fake-hypervisor';
import { DISK_BYTES, type HypervisorLab } from './hypervisor-lab';

export async function createFakeLab(): Promise<HypervisorLab & { readonly hypervisor: FakeHypervisor }> {
  const root = await mkdtemp(join(tmpdir(), 'modosu-fake-'));
  const diskDirectory = join(root, 'disks');
  const exportDirectory = join(root, 'export');
  await mkdir(diskDirectory);
  await mkdir(exportDirectory);
  const hypervisor = new FakeHypervisor('fake', diskDirectory);
  let made = 0;
  return {
    hypervisor,
    diskDirectory,
    exportDirectory,
    createServer: (spec) =>
      hypervisor.createServer({
        domainName: spec.name ?? `fake-server-${(made += 1)}`,
        disks: spec.disks.map((disk) => ({ ...disk, content: Buffer.concat([disk.content, Buffer.alloc(DISK_BYTES - disk.content.length)]) })),
        nvram: spec.nvram,
        genid: spec.genid,
        ...(spec.nics === undefined ? {} : { nics: spec.nics }),
      }),
    remember: async (server) => {
      const defineAgain = hypervisor.remember(server);
      return async () => defineAgain();
    },
    forget: async (server) => hypervisor.vanish(server),
    overwrite: async (_server, { path }, { at, bytes, byte }) => {
      const file = await open(path, 'r+');
      try {
        await file.write(Buffer.alloc(bytes, byte), 0, bytes, at + (path.endsWith('.qcow2') ? FAKE_QCOW2_PREFIX_BYTES : 0));
      } finally {
        await file.close();
      }
    },
    readImages: async ([newest = '']) => readImage(newest, 'qcow2'),
    readDisk: async (path, format, lengthBytes) => (await readImage(path, format)).subarray(0, lengthBytes),
    dispose: () => rm(root, { recursive: true, force: true }),
  };
}
