import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { besideOffsite } from '../../src/repositories/catalogue/catalogue-ground';
import { createResticCatalogueArchive } from '../../src/repositories/catalogue/restic-catalogue-archive';
import { offsiteLocation } from '../../src/contracts/offsite';
import { DATA_TAG, dataSetTag, recoveryPointTag } from '../../src/repositories/data/data-repository';
import { DataLab, flipByte } from '../support/data-lab';
import { OffsiteLab } from '../support/offsite-lab';
import { filledIn, shellBlocks, type, type Replacement } from '../support/page-shell';
import { filesDataSet, makeManifest } from './data-repository.contract';
import { contentsOf, offsiteContext, publishedDirectory } from './offsite-repository.contract';

/** What the pages of the formats say about reading with restic alone, as somebody types it who has nothing but a shell: taken from the page and run. */
jest.setTimeout(120_000);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'modosu-by-hand-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The short ids that `restic snapshots` has printed, a line each. */
const idsIn = (printed: string): readonly string[] => [...printed.matchAll(/^([0-9a-f]{8}) {2}/gm)].map(([, id = '']) => id);
const only = (ids: readonly string[]): string => {
  expect(ids).toHaveLength(1);
  return ids[0] ?? '';
};
const linesOf = (text: string, words: string): string =>
  text
    .split('\n')
    .filter((line) => /^export /.test(line) || line.includes(words))
    .join('\n');

it('docs/DATA-REPOSITORY-FORMAT.md: what a guest has saved is found, restored and checked', async () => {
  const data = await DataLab.start();
  try {
    const [serverId, recoveryPointId] = [newId('srv'), newId('rp')];
    await data.repository.ensure(serverId);
    const saved = data.files(recoveryPointId, { 'a/note': 'as it was\n', b: randomBytes(100_000) });
    const snapshotId = await data.backUp(serverId, [saved], { host: 'db01', tags: [DATA_TAG, recoveryPointTag(recoveryPointId), dataSetTag('documents')] });
    await data.repository.publish(makeManifest(serverId, snapshotId, { recoveryPointId, dataSet: filesDataSet(saved) }));

    const [page = ''] = shellBlocks('docs/DATA-REPOSITORY-FORMAT.md', 'Restoring by hand');
    const known: readonly Replacement[] = [
      ['<data directory>/<server id>', join(data.stored, serverId)],
      ['<state directory>/secrets/data/<server id>/repository', data.secrets.fileOf(`data/${serverId}/repository`)],
    ];
    const listed = await type(filledIn(linesOf(page, 'restic snapshots'), known));
    const typed = await type(
      filledIn(page, [
        ...known,
        ["<id of the manifest's snapshot>", only(idsIn(listed.stdout))],
        // As the manifest names it.
        ["<id of the data's snapshot>", snapshotId],
        ['/somewhere', join(root, 'somewhere')],
      ]),
    );
    expect(typed.failed).toEqual([]);
    expect(typed.stdout).toContain(`"snapshotId": "${snapshotId}"`);
    expect(typed.stdout).toContain('no errors were found');
    expect(contentsOf(join(root, 'somewhere', saved))).toEqual(contentsOf(saved));
  } finally {
    await data.dispose();
  }
});

describe('docs/OFFSITE.md', () => {
  let lab: OffsiteLab;
  const password = '…/secrets/offsite/<name>/password';
  beforeEach(() => {
    lab = new OffsiteLab();
  });
  afterEach(() => lab.dispose());

  const copied = async () => {
    const repository = lab.repository();
    await repository.ensure();
    const [serverId, recoveryPointId] = [newId('srv'), newId('rp')];
    const directory = publishedDirectory(root, serverId, recoveryPointId, { 'domain.xml': '<domain/>', 'disks/vda.qcow2': randomBytes(1_000_000) });
    await repository.copyImage({ serverId, recoveryPointId, directory }, offsiteContext());
    return { repository, serverId, recoveryPointId, directory };
  };

  it('what is there is found, restored and checked', async () => {
    const { recoveryPointId, directory } = await copied();
    const [page = ''] = shellBlocks('docs/OFFSITE.md', 'Reading a copy with restic alone');
    const known: readonly Replacement[] = [
      ['/mnt/vault', lab.stored],
      [password, lab.secrets.fileOf('offsite/vault/password')],
    ];
    const named: Replacement = ['rp_…', recoveryPointId];
    const receipts = await type(filledIn(linesOf(page, '--tag modosu-copy '), known));
    const images = await type(filledIn(linesOf(page, '--tag modosu-image,'), [...known, named]));
    const typed = await type(
      filledIn(page, [
        ...known,
        named,
        ['<id of the receipt>', only(idsIn(receipts.stdout))],
        ['<id of the image>', only(idsIn(images.stdout))],
        ['/srv/restored', join(root, 'restored')],
      ]),
    );
    expect(typed.failed).toEqual([]);
    expect(typed.stdout).toContain(readFileSync(join(directory, 'manifest.json'), 'utf8'));
    expect(typed.stdout).toContain('no errors were found');
    expect(contentsOf(join(root, 'restored'))).toEqual(contentsOf(directory));
  });

  it('the pack that is damaged is named, and makes room for what is mended', async () => {
    const { repository, serverId, recoveryPointId, directory } = await copied();
    const [pack = ''] = lab.storedFiles('data');
    flipByte(pack, 0.3);
    const [environment = ''] = shellBlocks('docs/OFFSITE.md', 'Reading a copy with restic alone');
    const [page = ''] = shellBlocks('docs/OFFSITE.md', 'Mending');
    const name = pack.slice(-64);
    const shell = page.replace(/^modosu .*\n/m, '');
    const typed = await type(
      filledIn(`${linesOf(environment, 'export')}\n${shell}`, [
        ['/mnt/vault', lab.stored],
        [password, lab.secrets.fileOf('offsite/vault/password')],
        ['ab/ab…64 digits…', `${name.slice(0, 2)}/${name}`],
        ['/root/damaged-pack', join(root, 'damaged-pack')],
      ]),
    );
    expect(typed.failed).toEqual([]);
    expect(typed.stdout).toContain(name.slice(0, 8));
    // What the last line of the page asks for.
    await repository.mendImage({ serverId, recoveryPointId, directory }, offsiteContext());
    await repository.readAll(recoveryPointId, offsiteContext());
  });

  // With a store that keeps versions of its own: `offsite-repository.s3.spec.ts`.
  it('what somebody has written over comes back from its versions, as rclone names them', async () => {
    const { recoveryPointId, directory } = await copied();
    for (const type of ['data', 'index', 'snapshots'] as const) {
      for (const file of lab.storedFiles(type)) {
        renameSync(file, `${file}-v2026-03-01-021000-000`);
        writeFileSync(file, 'rubbish');
      }
    }
    const [page = ''] = shellBlocks('docs/OFFSITE.md', 'What somebody has removed');
    const [all, back] = [join(root, 'all'), join(root, 'back')];
    const environment = `export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_FAR_TYPE=local RESTIC_PASSWORD_FILE=${lab.secrets.fileOf('offsite/vault/password')}\n`;
    const typed = await type(
      filledIn(environment + page, [
        ['far:bucket/path', `far:${lab.stored}`],
        ['/srv/all', all],
        ['/srv/back', back],
      ]),
    );
    expect(typed.failed).toEqual([]);
    expect(typed.stdout).toContain('no errors were found');
    const target = join(root, 'restored');
    const [image] = JSON.parse(await lab.byHand(['snapshots', '--json', '--tag', `modosu-image,modosu-recovery-point=${recoveryPointId}`], back)) as {
      readonly id: string;
    }[];
    await lab.byHand(['restore', image?.id ?? '', '--target', target], back);
    expect(contentsOf(target)).toEqual(contentsOf(directory));
  });

  it('the password of the repository is in the copy of the catalogue beside it, for whoever has the recovery key', async () => {
    await lab.repository().ensure();
    const recoveryKey = 'a-recovery-key-of-some-length-00';
    const ground = besideOffsite({ location: offsiteLocation(lab.stored), environment: { text: null, file: 'none' } });
    const archive = createResticCatalogueArchive({ ground, recoveryKey });
    const source = join(root, 'catalogue');
    mkdirSync(join(source, 'secrets', 'offsite', 'vault'), { recursive: true });
    writeFileSync(join(source, 'catalogue.ndjson'), 'rows\n');
    writeFileSync(join(source, 'secrets', 'offsite', 'vault', 'password'), 'of the vault\n');
    await archive.ensure();
    await archive.keep(source);
    writeFileSync(join(root, 'recovery-key'), `${recoveryKey}\n`);

    const [page = ''] = shellBlocks('docs/OFFSITE.md', 'The catalogue beside it');
    const typed = await type(
      filledIn(page, [
        ['/mnt/vault', lab.stored],
        ['/root/recovery-key', join(root, 'recovery-key')],
      ]),
    );
    expect(typed).toEqual({ stdout: 'of the vault\n', failed: [] });
  });
});
