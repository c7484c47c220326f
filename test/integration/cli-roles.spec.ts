import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfigOfInstallation } from '../../src/config/config';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { openDataRepository } from '../../src/roles/wiring';
import { findProgram } from '../../src/system/child-process';
import { makeImages, takeOne, type Taken } from '../contract/image-repository.fixtures';
import { freePort, killChild } from '../support/data-lab';
import { eventually, TestState, type Outcome, type UpProcess } from '../support/up-process';

jest.setTimeout(300_000);

/** Commands that the program carries out itself, beside the API, as people type them on the machine of an installation: no guests, all else as it is. */
describe('modosu on the machine of an installation', () => {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-roles-'));
  const [repository, vault, keyFile, environment] = ['repository', 'vault', 'recovery-key', 'environment'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ];
  const estateFile = join(directory, 'estate.yaml');
  let state: TestState;
  let up: UpProcess;
  let storage: ChildProcess;
  let location: string;
  let taken: Taken;
  /** A copy of the catalogue in the image repository from before the recovery point was known: the workers of the machines that come back make others that know it. */
  let copyOfBefore: string;

  const modosu = (...args: readonly string[]): Promise<Outcome> => state.run(args);
  /** The machine is gone with all that was on it, but for the repositories. */
  const anew = async (): Promise<void> => {
    await state?.remove();
    state = new TestState();
    up = state.up();
    await up.ready();
  };

  beforeAll(async () => {
    mkdirSync(repository);
    const { directory: made, image } = await makeImages(1);
    const images = createDirectoryImageRepository({ name: 'main', path: repository });
    await images.initialise();
    taken = await takeOne(images, image);
    rmSync(made, { recursive: true });
    const port = await freePort();
    storage = spawn(findProgram('rclone'), ['serve', 'restic', '--user', 'vault', '--pass', 'of the storage', '--addr', `127.0.0.1:${port}`, vault], {
      stdio: 'ignore',
    });
    location = `rest:http://127.0.0.1:${port}/backups/`;
    writeFileSync(environment, 'RESTIC_REST_USERNAME=vault\nRESTIC_REST_PASSWORD=of the storage\n', { mode: 0o600 });
    const estate = {
      hypervisors: [{ name: 'local', kind: 'libvirt' }],
      repositories: [{ name: 'main', kind: 'directory', path: repository }],
      offsite: [{ name: 'vault', location }],
      servers: [],
    };
    writeFileSync(estateFile, stringify(estate));
    await anew();
  });
  afterAll(async () => {
    await state.remove();
    await killChild(storage);
    rmSync(directory, { recursive: true, force: true });
  });

  it('copies the catalogue into every repository, and finds the copies where they lie', async () => {
    const secrets = join(state.directory, 'secrets/offsite/vault');
    mkdirSync(secrets, { recursive: true, mode: 0o700 });
    writeFileSync(join(secrets, 'environment'), 'RESTIC_REST_USERNAME=vault\nRESTIC_REST_PASSWORD=of the storage\n', { mode: 0o600 });
    expect(await modosu('apply', '-f', estateFile)).toMatchObject({ exitCode: 0 });
    writeFileSync(keyFile, (await modosu('catalog', 'key')).stdout, { mode: 0o600 });
    // By itself the worker makes the first copies, and with them what they lie in.
    for (const where of [
      ['--repository', repository, '--key-file', keyFile],
      ['--offsite', join(vault, 'backups')],
    ]) {
      await eventually(
        () => modosu('catalog', 'copies', ...where),
        ({ exitCode, stdout }) => exitCode === 0 && stdout !== '',
        120_000,
      );
    }
    const copied = await modosu('catalog', 'copy');
    expect(copied).toMatchObject({ exitCode: 0 });
    const [, inMain = '', inVault = ''] = /^copied into main: (\w{8})\ncopied into the off-site repository vault: (\w{8})\n$/.exec(copied.stdout) ?? [];
    copyOfBefore = inMain;
    expect((await modosu('catalog', 'copies', '--repository', repository, '--key-file', keyFile)).stdout).toContain(inMain);
    // The same storage where it is a directory: with the key of this machine.
    const found = await modosu('catalog', 'copies', '--offsite', join(vault, 'backups'));
    expect(found).toMatchObject({ exitCode: 0 });
    expect(found.stdout).toContain(inVault);
    expect(found.stdout).not.toContain(inMain);
  });

  it('comes back from the off-site storage, with what opens it and the recovery key', async () => {
    await anew();
    const closed = await modosu('catalog', 'rebuild', '--offsite', location, '--key-file', keyFile);
    expect(closed).toMatchObject({ stdout: '', stderr: expect.stringContaining('OFFSITE_') as string });
    const rebuilt = await modosu('catalog', 'rebuild', '--offsite', location, '--offsite-environment', environment, '--key-file', keyFile);
    expect(rebuilt.stdout).toMatch(/^Catalogue of \S+, from rest:.*: .*offsite repository 1/);
    expect((await modosu('offsite', 'list')).stdout).toContain(location);
  });

  it('comes back from the image repository, once it was shown what would come', async () => {
    await anew();
    const rebuild = (...more: readonly string[]) => modosu('catalog', 'rebuild', '--repository', repository, '--key-file', keyFile, ...more);
    const tried = await rebuild('--dry-run');
    expect(tried).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^Nothing was changed: this is what would be\.\nCatalogue of .*, from main: .*offsite repository 1/) as string,
    });
    expect(tried.stdout).toContain('Compared with the catalogue only when it is there: without --dry-run.');
    expect((await modosu('offsite', 'list')).stdout).not.toContain(location);
    // The worker of the machine before may have made a newer copy that knows the recovery point.
    expect((await rebuild()).stdout).toMatch(/(?:1 known, 0 added|0 known, 1 added)/);
    expect((await modosu('offsite', 'list')).stdout).toContain(location);
    expect((await modosu('recovery-point', 'list')).stdout).toContain(taken.recoveryPointId);
    // The worker makes its own copies by now: who looks at them in that moment may be told so first.
    await eventually(rebuild, ({ stderr }) => stderr.includes('CATALOG_NOT_EMPTY'), 60_000);
  });

  it('comes back from a copy that is named, with what was taken since', async () => {
    await anew();
    const rebuilt = await modosu('catalog', 'rebuild', '--repository', repository, '--key-file', keyFile, '--copy', copyOfBefore);
    expect(rebuilt.stdout).toContain('0 known, 1 added');
    expect((await modosu('offsite', 'list')).stdout).toContain(location);
    expect((await modosu('recovery-point', 'list')).stdout).toContain(taken.recoveryPointId);
  });

  it('comes back without any copy, with what the images alone tell', async () => {
    await anew();
    const rebuilt = await modosu('catalog', 'rebuild', '--repository', repository, '--without-copy');
    expect(rebuilt.stdout).toContain('1 added');
    expect((await modosu('recovery-point', 'list')).stdout).toContain(taken.recoveryPointId);
  });

  it('begins data repositories anew that are gone, and shows before which', async () => {
    expect((await modosu('data-repository', 'renew', '--all', '--dry-run')).stdout).toContain('No server has a data repository.');
    await openDataRepository(loadConfigOfInstallation({ MODOSU_STATE_DIR: state.directory })).ensure(taken.serverId);
    rmSync(join(state.directory, 'data-repository', taken.serverId), { recursive: true });
    const looked = await modosu('data-repository', 'renew', '--all', '--dry-run');
    expect(looked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('is gone; would begin anew, without the 0 recovery points') as string });
    const renew = () => modosu('data-repository', 'renew', '--all', '--reason', 'the storage burnt');
    expect(await renew()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('begins anew, without the 0 recovery points') as string });
    expect((await renew()).stdout).not.toContain('begins anew');
    expect((await modosu('audit', 'list')).stdout).toContain('data-repository.renewed');
  });

  it('packs a support bundle into the directory where it is asked for, also with the variables of the services', async () => {
    const [here, there] = ['here', 'there'].map((name) => join(directory, name)) as [string, string];
    for (const place of [here, there]) mkdirSync(place);
    const variables = join(directory, 'modosu.env');
    writeFileSync(variables, 'MODOSU_WAY_BACK_DAYS=many\n', { mode: 0o600 });
    for (const [place, ...more] of [[here], [there, '--variables', variables]] as const) {
      expect(await state.run(['support-bundle', ...more], {}, place)).toMatchObject({ exitCode: 0 });
      expect(readdirSync(place)).toEqual([expect.stringMatching(/^modosu-support-.*\.tar\.gz$/)]);
    }
    expect((await modosu('doctor')).stdout).not.toContain('MODOSU_WAY_BACK_DAYS');
    expect(await modosu('doctor', '--variables', variables)).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('MODOSU_WAY_BACK_DAYS') as string });
  });
});
