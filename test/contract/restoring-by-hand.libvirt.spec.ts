import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, createReadStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { newId } from '../../src/contracts/ids';
import type { Hypervisor } from '../../src/hypervisors/hypervisor';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { MARKER_FILE, type ImageRepository } from '../../src/repositories/image/image-repository';
import { createGuestServer, guestOutput, shutDownGuest, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { SOURCE_GUARD } from '../support/guard-command';
import { ownedDirectory } from '../support/owned-directory';
import { shellBlocks, type, type Replacement, type Typed } from '../support/page-shell';
import { describeInFull } from '../support/thorough';
import { contentOf, makeImages, MIB, sha256, takeIncremental, takeOne, VIRTUAL_SIZE_BYTES, type Change } from './image-repository.fixtures';

/** "Restoring by hand" of the document, as somebody types it who has nothing but a shell: what stands there is taken from the page and run. */
jest.setTimeout(600_000);

const PAGE = readFileSync(join(__dirname, '../../docs/REPOSITORY-FORMAT.md'), 'utf8');
const SECTION = /^## Restoring by hand\n([^]*?)^## /m.exec(PAGE)?.[1] ?? '';
/** The commands of each step, by its number. */
const STEPS: ReadonlyMap<string, string> = new Map(
  SECTION.split(/^(?=\*\*\d\w?\. )/m).flatMap((part) => {
    const number = /^\*\*(\d\w?)\. /.exec(part)?.[1];
    const commands = [...part.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text ?? '').join('');
    return number === undefined ? [] : [[number, commands] as const];
  }),
);

/** The commands of these steps, with what the page cannot know put in its place. */
function commandsOf(steps: readonly string[], replacements: readonly Replacement[]): string {
  const text = steps.map((step) => STEPS.get(step) ?? '').join('');
  const commands = replacements.reduce((so, [placeholder, meant]) => so.replace(placeholder, () => meant), text);
  expect(commands.replace(/#.*$/gm, '')).not.toMatch(/…|\/path\/to\/|\/root\/|\/var\/lib\/libvirt\//);
  return commands;
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

let root: string;
beforeEach(() => {
  root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-by-hand-');
  chmodSync(root, 0o711);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function newRepository(): Promise<ImageRepository> {
  mkdirSync(join(root, 'repository'));
  const repository = createDirectoryImageRepository({ name: 'main', path: join(root, 'repository') });
  await repository.initialise();
  return repository;
}

it('has the steps that are typed here', () => {
  expect([...STEPS.keys()]).toEqual(['1', '2', '3', '4', '5a', '5b', '6', '2a', '3a', '4a']);
  expect([...STEPS].filter(([, commands]) => commands === '')).toEqual([]);
});

it('a repository that has lost its marker is one again, with the marker that is written by hand', async () => {
  const { directory, image } = await makeImages();
  try {
    const repository = await newRepository();
    const { recoveryPointId } = await takeOne(repository, image);
    rmSync(join(root, 'repository', MARKER_FILE));
    await expect(repository.check()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    const [marker = ''] = shellBlocks('docs/REPOSITORY-FORMAT.md', 'If the marker is lost');
    expect(await type(`cd ${join(root, 'repository')}\n${marker}`)).toEqual({ stdout: '', failed: [] });
    await expect(repository.check()).resolves.toMatchObject({ recoveryPoints: 1 });
    expect((await repository.list()).manifests).toMatchObject([{ recoveryPointId }]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

describe('an incremental, by hand', () => {
  it('is found, checked and copied through its chain; damage is seen', async () => {
    const { directory, image } = await makeImages();
    try {
      const repository = await newRepository();
      const full = await takeOne(repository, image);
      const changes: readonly Change[] = [
        { atMiB: 1, lengthMiB: 2, byte: 0x11 },
        { atMiB: 2, lengthMiB: 1, byte: 0x22 },
      ];
      const expected = await contentOf([image]);
      const chain = [full.recoveryPointId];
      for (const change of changes) {
        const parent = { serverId: full.serverId, recoveryPointId: chain.at(-1) ?? '' };
        chain.push((await takeIncremental(repository, parent, { changes: { vda: [change] } })).recoveryPointId);
        expected.fill(change.byte, change.atMiB * MIB, (change.atMiB + change.lengthMiB) * MIB);
      }
      const [oldest = '', middle = '', newest = ''] = chain;
      const replacements: readonly Replacement[] = [
        [/\/tmp\//g, `${root}/`],
        [/\/path\/to\/repository/g, join(root, 'repository')],
        [/srv_…\/rp_…/g, `${full.serverId}/${newest}`],
        [/c=rp_…/, `c=${newest}`],
        [/b=rp_…/, `b=${middle}`],
        [/a=rp_…/, `a=${oldest}`],
        [/rp_…/g, newest],
        [/\/var\/lib\/libvirt\/images/g, root],
      ];
      const typed = await type(commandsOf(['1', '2', '2a', '3a', '4a'], replacements));

      expect(typed.failed).toEqual([]);
      expect(typed.stdout).toContain(`\n${newest}\n${middle}/manifest.json: OK\n${middle}\n${oldest}/manifest.json: OK\n${oldest}\n`);
      expect(typed.stdout).toContain('\nintact\n');
      expect(typed.stdout).toContain(`backing file: ../../${middle}/disks/vda.qcow2`);
      expect(typed.stdout).toContain('\nImages are identical.\n');
      expect(expected.length).toBe(VIRTUAL_SIZE_BYTES);
      expect(await sha256OfFile(join(root, 'db01.img.restored'))).toBe(sha256(expected));

      const manifest = join(root, 'repository', 'servers', full.serverId, middle, 'manifest.json');
      const edited = commandsOf(['1', '2a'], replacements);
      await type(`sed -i 's/"generation": 1/"generation": 2/' ${manifest}`);
      const refused = await type(edited);
      expect(refused.stdout).toContain(`${middle}/manifest.json: FAILED`);
      expect(refused.stdout).not.toContain(`\n${middle}\n`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describeInFull('a server with UEFI and a raw disk, by hand', () => {
  let guest: GuestServer;
  let hypervisor: Hypervisor;
  let replacements: readonly Replacement[];
  /** Of its disk, when its image was taken. */
  let imaged: string;

  beforeEach(async () => {
    const name = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}by-hand-${randomBytes(3).toString('hex')}`;
    guest = await createGuestServer({ name, guest: 'minimal-uefi', directory: join(root, 'disks'), format: 'raw', withGenerationId: true });
    mkdirSync(join(root, 'state'));
    hypervisor = createLibvirtHypervisor({ name: 'lab', uri: 'qemu:///system', stateDirectory: join(root, 'state'), guardCommand: SOURCE_GUARD });
    await waitForAgent(guest.uuid, 180_000);
    await guestOutput(guest.uuid, ['sh', '-c', 'mkdir -p /opt/app && echo before > /opt/app/note && sync']);
    await shutDownGuest(guest.uuid, 60_000);
    imaged = await sha256OfFile(guest.systemDisk.path);
    const [serverId, recoveryPointId] = await takeImage(guest, hypervisor);
    replacements = [
      [/\/(?:root|tmp)\//g, `${root}/`],
      [/\/path\/to\/repository/g, join(root, 'repository')],
      [/srv_…\/rp_…/g, `${serverId}/${recoveryPointId}`],
      [/(?:\/var\/lib\/libvirt)?\/images\/db01\.img/g, guest.systemDisk.path],
      [/(?:\/var\/lib\/libvirt\/qemu)?\/nvram\/db01_VARS\.fd/g, guest.nvram ?? ''],
    ];
    await startGuest(guest.uuid);
    await waitForAgent(guest.uuid, 180_000);
    await guestOutput(guest.uuid, ['sh', '-c', 'echo after > /opt/app/note && sync']);
  });
  afterEach(() => guest.destroy());

  /** No server of the machine may be meant, should one be called so. */
  const onThisGuest = (commands: string): string =>
    commands.replace(/^((?:until )?virsh .*?)\bdb01\b(?!-)/gm, (_all, before: string) => `${before}${guest.name}`);
  const typeSteps = (steps: readonly string[], more: readonly Replacement[] = []): Promise<Typed> =>
    type(onThisGuest(commandsOf(steps, [...replacements, ...more])));

  const expectChecked = ({ stdout }: Typed): void => {
    expect(stdout).toMatch(/^manifest\.json: OK\n/m);
    expect(stdout).toMatch(/^nvram\.fd: OK$/m);
    expect(stdout).toContain('\nintact\n');
    expect(stdout).toMatch(/^0000000 51 46 49 fb 00 00 00 03(?: 00){8}\n0000016(?: 00){4}$/m);
    expect(stdout).toMatch(/^0000072(?: 00){8}$/m);
    expect(stdout).not.toMatch(/backing file|data file/);
    expect(stdout).toContain('Images are identical.\n');
  };

  it('comes back beside what libvirt still knows of it', async () => {
    const typed = await typeSteps(['1', '2', '3', '4', '5a']);
    // What it is there for: to see that nothing else differs.
    expect(typed.failed.map((command) => command.split(' ')[0])).toEqual(['diff']);
    expectChecked(typed);
    const restored = `${guest.systemDisk.path}.restored`;
    expect(await sha256OfFile(restored)).toBe(imaged);
    const [before, after] = [readFileSync(join(root, 'db01-before.xml'), 'utf8'), readFileSync(join(root, 'db01-restored.xml'), 'utf8')].map((xml) =>
      xml.split('\n'),
    );
    const changed = (before ?? []).flatMap((line, at) => (after?.[at] === line ? [] : [`${line} ${after?.[at]}`]));
    expect(changed.map((line) => /nvram|genid|source file/.exec(line)?.[0])).toEqual(expect.arrayContaining(['genid', 'nvram', 'source file']));
    expect(changed).toHaveLength(3);

    const started = await typeSteps(['6']);
    expect(started.stdout).toContain('{"return":{}}');
    expect(await guestOutput(guest.uuid, ['cat', '/opt/app/note'])).toBe('before\n');
    const xml = await virsh(['dumpxml', guest.uuid]);
    expect(xml).toContain(`'${restored}'`);
    expect(xml).toContain(`${guest.nvram}.restored`);
    expect(/<genid>(.*)</.exec(xml)?.[1]).not.toBe(/<genid>(.*)</.exec((before ?? []).join('\n'))?.[1]);
    expect(existsSync(guest.systemDisk.path)).toBe(true);
  });

  it('comes back when everything but the repository is gone', async () => {
    await virsh(['destroy', guest.uuid]);
    await virsh(['undefine', guest.uuid, '--nvram']);
    rmSync(guest.systemDisk.path);

    // As the text of 5b says: to the origin paths.
    const typed = await typeSteps(['1', '2', '3', '4', '5b'], [[/\.restored\b/g, '']]);
    expect(typed.failed).toEqual([]);
    expectChecked(typed);
    expect(await sha256OfFile(guest.systemDisk.path)).toBe(imaged);

    const started = await typeSteps(['6']);
    expect(started.stdout).toContain('{"return":{}}');
    expect(await guestOutput(guest.uuid, ['cat', '/opt/app/note'])).toBe('before\n');
  });
});

/** An image of a guest that is off, as a backup takes it. Returns the ids of server and recovery point. */
async function takeImage(guest: GuestServer, hypervisor: Hypervisor): Promise<readonly [serverId: string, recoveryPointId: string]> {
  const repository = await newRepository();
  const [server, signal] = [{ uuid: guest.uuid, name: guest.name }, new AbortController().signal];
  const [serverId, recoveryPointId] = [newId('srv'), newId('rp')];
  const inspection = await hypervisor.inspect(server);
  const staged = await repository.stage(recoveryPointId);
  const { virtualSizeBytes } = await hypervisor.exportDisk(
    { server, target: 'vda', targetPath: staged.diskPath('vda') },
    { signal, onProgress: () => undefined },
  );
  const checksums = await repository.hashWhileWritten(recoveryPointId, 'vda', Promise.resolve(), { signal });
  await hypervisor.exportDefinition(server, staged.definitionPath);
  await hypervisor.exportNvram(server, staged.nvramPath);
  const { path, format } = guest.systemDisk;
  await repository.publish(
    {
      recoveryPointId,
      server: { id: serverId, name: guest.name, uuid: guest.uuid },
      generation: 1,
      lineageId: 'lin-1',
      parentId: null,
      runId: newId('run'),
      reason: 'before everything is lost',
      consistency: 'offline',
      pointInTime: new Date().toISOString(),
      disks: [{ target: 'vda', virtualSizeBytes, checksums, origin: { path, format, flattened: false } }],
      definitionFingerprint: inspection.definitionFingerprint,
      nvramOrigin: inspection.nvram === null ? null : { path: inspection.nvram.path, format: inspection.nvram.format },
      removableMedia: inspection.removableMedia,
      nics: inspection.nics.map(({ mac, type: kind, source }) => ({ mac, type: kind, source })),
      generationId: inspection.generationId,
      firmware: inspection.firmware,
      domainType: inspection.domainType,
      powerStateBefore: 'off',
      agentBefore: 'absent',
      software: { modosu: '0.1.0' },
    },
    new Date(),
  );
  return [serverId, recoveryPointId];
}
