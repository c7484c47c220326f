import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { runCommand } from '../../src/system/child-process';
import { DataLab } from '../support/data-lab';
import { OffsiteLab } from '../support/offsite-lab';
import { filledIn, shellBlocks, type } from '../support/page-shell';
import { startS3Server, type S3Server } from '../support/s3-server';
import { contentsOf, describeOffsiteRepository, offsiteContext, publishedDirectory } from './offsite-repository.contract';

jest.setTimeout(180_000);

/** An object store that keeps all versions of everything for a day (object lock, compliance), of a server that is real S3 to restic and rclone. */
describe('S3 with object lock', () => {
  const labs: OffsiteLab[] = [];
  let server: S3Server;
  const root = mkdtempSync(join(tmpdir(), 'modosu-s3-'));
  beforeAll(async () => {
    server = await startS3Server(root);
    for (const bucket of ['contract', 'vault']) await server.makeLockedBucket(bucket);
  });
  afterAll(async () => {
    for (const lab of labs) await lab.dispose();
    await server?.end();
    rmSync(root, { recursive: true, force: true });
  });

  const labAt = (): OffsiteLab => {
    const lab = new OffsiteLab();
    labs.push(lab);
    write(lab, `AWS_ACCESS_KEY_ID=${server.accessKeyId}\nAWS_SECRET_ACCESS_KEY=${server.secretAccessKey}\n`);
    return lab;
  };
  const write = (lab: OffsiteLab, text: string): void => {
    const file = lab.secrets.fileOf('offsite/vault/environment');
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { mode: 0o600 });
  };

  describeOffsiteRepository('restic over S3', async () => {
    const [source, target, lab] = [await DataLab.start(), await DataLab.start(), labAt()];
    return {
      repository: lab.repository({ location: `s3:${server.url}/contract/vault` }),
      data: {
        repository: source.repository,
        take: async (serverId, { hostname, tags, files }) => {
          const files_ = source.files(newId('run'), files);
          return { snapshotId: await source.backUp(serverId, [files_], { host: hostname, tags }), root: files_ };
        },
      },
      newData: target.repository,
      dispose: async () => {
        await source.dispose();
        await target.dispose();
      },
    };
  });

  describe('whoever has the credentials of the worker', () => {
    let lab: OffsiteLab;
    let before: Readonly<Record<string, string>>;
    const [serverId, recoveryPointId] = [newId('srv'), newId('rp')];
    const far = (): Readonly<Record<string, string>> => ({
      RCLONE_CONFIG: '/dev/null',
      RCLONE_CONFIG_FAR_TYPE: 's3',
      RCLONE_CONFIG_FAR_PROVIDER: 'Other',
      RCLONE_CONFIG_FAR_ENDPOINT: server.url,
      RCLONE_CONFIG_FAR_ACCESS_KEY_ID: server.accessKeyId,
      RCLONE_CONFIG_FAR_SECRET_ACCESS_KEY: server.secretAccessKey,
    });
    const rclone = (...args: readonly string[]) => runCommand(['rclone', ...args], { env: far(), timeoutMs: 120_000 });

    it('is told at once when they are wrong', async () => {
      lab = labAt();
      write(lab, `AWS_ACCESS_KEY_ID=${server.accessKeyId}\nAWS_SECRET_ACCESS_KEY=not-the-one\n`);
      await expect(lab.repository({ location: `s3:${server.url}/vault/below` }).ensure()).rejects.toMatchObject({ code: 'OFFSITE_CREDENTIALS_WRONG' });
    });

    it('removes a copy, and it seems to be gone', async () => {
      lab = labAt();
      const repository = lab.repository({ location: `s3:${server.url}/vault/below` });
      await repository.ensure();
      const directory = publishedDirectory(root, serverId, recoveryPointId);
      before = contentsOf(directory);
      await repository.copyImage({ serverId, recoveryPointId, directory }, offsiteContext());
      await repository.forget([recoveryPointId]);
      await expect(repository.list()).resolves.toEqual([]);
      expect((await rclone('lsf', '-R', '--files-only', 'far:vault/below/data')).stdout).toBe('');
    });

    it('cannot remove what it was', async () => {
      const versions = (await server.ask('GET', 'vault?versions&prefix=below/data/')).match(/<Version>.*?<\/Version>/gs) ?? [];
      expect(versions.length).toBeGreaterThan(1);
      for (const version of versions) {
        const [key, id] = ['Key', 'VersionId'].map((name) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(version)?.[1]);
        await expect(server.ask('DELETE', `vault/${key}?versionId=${id}`)).rejects.toThrow(/locked|AccessDenied/);
      }
    });

    it('can write over it, and it comes back from the versions: restic names each file by its checksum', async () => {
      const [, key] = /<Key>(below\/data\/[^<]+)<\/Key>/.exec(await server.ask('GET', 'vault?versions&prefix=below/data/')) ?? [];
      const body = 'rubbish';
      await server.ask('PUT', `vault/${key}`, { body, headers: { 'content-md5': createHash('md5').update(body).digest('base64') } });
      const [all, back] = [join(root, 'all'), join(root, 'back')];
      mkdirSync(back);
      const [page = ''] = shellBlocks('docs/OFFSITE.md', 'What somebody has removed');
      const asConfigured = Object.entries({ ...far(), RESTIC_PASSWORD_FILE: lab.secrets.fileOf('offsite/vault/password') });
      const typed = await type(
        filledIn(`${asConfigured.map(([name, value]) => `export ${name}='${value}'\n`).join('')}${page}`, [
          ['far:bucket/path', 'far:vault/below'],
          ['/srv/all', all],
          ['/srv/back', back],
        ]),
      );
      expect(typed.failed).toEqual([]);
      expect(typed.stdout).toContain('no errors were found');
      const target = join(root, 'restored');
      mkdirSync(target);
      const again = new OffsiteLab();
      labs.push(again);
      await again.secrets.getOrMake('offsite/vault/password', () => readFileSync(lab.secrets.fileOf('offsite/vault/password'), 'utf8').trimEnd());
      const repository = again.repository({ location: back });
      await repository.ensure();
      await repository.fetchImage(serverId, recoveryPointId, target, offsiteContext());
      expect(contentsOf(target)).toEqual(before);
      await expect(repository.check({ part: { number: 1, of: 1 } })).resolves.toBeUndefined();
    });
  });
});
