import { FakeOffsiteRepository } from '../../../test/support/fake-offsite-repository';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerRecord } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import { NO_PROTECTION } from '../../contracts/protection';
import type { ServerInspection } from '../../contracts/server';
import type { Hypervisor } from '../../hypervisors/hypervisor';
import type { ImageRepository } from '../../repositories/image/image-repository';
import type { RunDispatcher } from '../../temporal/run-starter';
import { fail, look, ok, warn } from './check';
import type { GuestAgent } from '../../guests/guest-agent';
import { checkEstate, type EstateCheckDependencies } from './estate';
import { render, reportOf } from './report';
import { checkDataRepository } from './services';
import { FakeDataRepository } from '../../../test/support/fake-data-repository';

describe('doctor: estate', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-doctor-'));
    chmodSync(directory, 0o711);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const server: ServerRecord = {
    id: 'srv_1',
    name: 'db01',
    uuid: 'u1',
    domainName: 'db01',
    hypervisor: 'h1',
    repository: 'main',
    policy: null,
    stopTimeoutSeconds: 1,
    agentTimeoutSeconds: 1,
    protection: NO_PROTECTION,
    lineageId: 'l',
    decommissioned: null,
  };
  const inspection = (changes: Partial<ServerInspection> = {}): ServerInspection => ({
    uuid: 'u1',
    domainName: 'db01',
    powerState: 'running',
    domainType: 'qemu',
    definitionFingerprint: '',
    disks: [{ target: 'vda', bus: 'virtio', path: join(directory, 'vda.qcow2'), format: 'qcow2', virtualSizeBytes: 1, allocatedBytes: 1, backingChain: [] }],
    removableMedia: [],
    firmware: 'bios',
    nvram: null,
    nics: [],
    generationId: null,
    agent: { state: 'answering', version: '7', commands: [] },
    refusals: [],
    memoryBytes: 1,
    vcpus: 1,
    ...changes,
  });

  const dependencies = (overrides: {
    readonly probe?: Hypervisor['probe'];
    readonly inspect?: Hypervisor['inspect'];
    readonly check?: ImageRepository['check'];
    readonly polled?: boolean;
    readonly servers?: readonly ServerRecord[];
    readonly agent?: Partial<GuestAgent>;
    readonly overSsh?: Partial<GuestAgent>;
  }): EstateCheckDependencies => {
    const hypervisor: Partial<Hypervisor> = {
      probe: overrides.probe ?? (() => Promise.resolve({ name: 'h1', versions: { libvirt: '9.0.0' }, domainTypes: ['qemu'] })),
      inspect: overrides.inspect ?? (() => Promise.resolve(inspection())),
      guestAgent: () => overrides.agent as GuestAgent,
    };
    const overSsh = (): GuestAgent => overrides.overSsh as GuestAgent;
    const repository: Partial<ImageRepository> = { check: overrides.check ?? (() => Promise.resolve({ freeBytes: 5 * 1024 ** 3, recoveryPoints: 1 })) };
    const runs: Partial<RunDispatcher> = { hasWorker: () => Promise.resolve(overrides.polled ?? true) };
    return {
      catalog: {
        listHypervisors: () => Promise.resolve([{ name: 'h1', kind: 'libvirt', uri: 'qemu:///system' }]),
        listOffsite: () =>
          Promise.resolve([
            { name: 'vault', location: '/mnt/vault', media: 'fixed' as const },
            { name: 'disk', location: '/mnt/disk', media: 'removable' as const },
          ]),
        listRepositories: () => Promise.resolve([{ name: 'main', kind: 'directory', path: directory }]),
        listServers: () => Promise.resolve(overrides.servers ?? [server]),
      },
      adapters: {
        offsite: ({ name }: { readonly name: string }) =>
          Object.assign(new FakeOffsiteRepository(name, { isMade: true, media: 'removable' }), { isConnected: name === 'vault' }),
        hypervisor: () => hypervisor as Hypervisor,
        repository: () => repository as ImageRepository,
        overSsh,
      },
      runs: runs as RunDispatcher,
    };
  };

  const states = async (overrides: Parameters<typeof dependencies>[0]): Promise<readonly string[]> =>
    (await checkEstate(dependencies(overrides))).map(({ subject, state, code }) => `${subject}: ${state}${code === null ? '' : ` ${code}`}`);

  it('says of each part that it is there', async () => {
    const checks = await checkEstate(dependencies({}));
    expect(checks.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok']);
    expect(checks.map(({ detail }) => detail)).toEqual([
      'libvirt 9.0.0, emulation only (no KVM)',
      'polls host.h1, host.h1.transfer, host.h1.verification, host.h1.offsite',
      `${directory}, 1 recovery point, 5 GiB free`,
      '/mnt/vault, 0 copies',
      '/mnt/disk is offline: its medium is not connected',
      expect.stringMatching(new RegExp(`^disks in ${directory}, .* free$`)) as string,
    ]);
  });

  it('names a hypervisor that does not answer, and still looks at the rest', async () => {
    const away = (): Promise<never> => Promise.reject(new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is down'));
    await expect(states({ probe: away, inspect: away })).resolves.toEqual([
      'hypervisor h1: fail HYPERVISOR_UNREACHABLE',
      'worker of h1: ok',
      'repository main: ok',
      'off-site repository vault: ok',
      'off-site repository disk: ok',
      'server db01: fail HYPERVISOR_UNREACHABLE',
    ]);
  });

  it('does not look for a server that is out of service: its domain may be gone', async () => {
    const gone = (): Promise<never> => Promise.reject(new ModosuError('SERVER_GONE', 'no domain'));
    const decommissioned = { at: '2026-03-01T00:00:00.000Z', by: 'alice', reason: 'replaced', keepDays: 90, protectsUntil: '2026-05-30T00:00:00.000Z' };
    await expect(states({ inspect: gone, servers: [server] })).resolves.toContain('server db01: fail SERVER_GONE');
    await expect(states({ inspect: gone, servers: [{ ...server, decommissioned }] })).resolves.toContain('server db01: ok');
  });

  it('names queues that nobody polls', async () => {
    await expect(states({ polled: false })).resolves.toContain('worker of h1: fail NO_WORKER');
  });

  describe('data sets', () => {
    const withData: ServerRecord = {
      ...server,
      protection: { ...NO_PROTECTION, dataSets: [{ kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null }] },
    };
    const allowing = (commands: readonly string[]) => ({
      servers: [withData],
      inspect: () => Promise.resolve(inspection({ agent: { state: 'answering', version: '7', commands } })),
    });
    const COMMANDS = ['guest-exec', 'guest-exec-status', 'guest-file-open', 'guest-file-read'];
    const saying = (stdout: string): Partial<GuestAgent> => ({
      start: () => Promise.resolve(7),
      outcome: () => Promise.resolve({ exitCode: 0, stdout, stderr: '', truncated: false }),
    });

    it('can be saved where the agent runs programs and restic is there', async () => {
      const checks = await checkEstate(dependencies({ ...allowing(COMMANDS), agent: saying('restic 0.16.4 compiled with go1.21') }));
      expect(checks.at(-1)).toMatchObject({ subject: 'server db01', state: 'ok', detail: 'data sets can be saved: restic 0.16.4 in the guest' });
    });

    it.each([
      ['an agent that must not run programs', { ...allowing(['guest-ping']) }, 'GUEST_COMMAND_FORBIDDEN'],
      ['a restic that is too old', { ...allowing(COMMANDS), agent: saying('restic 0.9.6 compiled with go1.13') }, 'RESTIC_UNSUPPORTED'],
      [
        'no restic',
        {
          ...allowing(COMMANDS),
          agent: {
            start: () => Promise.reject(new ModosuError('AGENT_COMMAND_FAILED', 'Failed to execute child process “restic” (No such file or directory)')),
          },
        },
        'RESTIC_MISSING',
      ],
    ] as const)('names %s', async (_what, overrides, code) => {
      await expect(states(overrides)).resolves.toContain(`server db01: fail ${code}`);
    });

    it('can be saved over SSH where that is declared, whatever the agent allows', async () => {
      const ssh = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' };
      const declared = { ...allowing(['guest-ping']), servers: [{ ...withData, protection: { ...withData.protection, ssh } }] };
      const checks = await checkEstate(dependencies({ ...declared, overSsh: saying('restic 0.16.4 compiled with go1.21') }));
      expect(checks.at(-1)).toMatchObject({ state: 'ok', detail: 'data sets can be saved: restic 0.16.4 in the guest, over SSH (root@192.0.2.10, port 22)' });
      const refusing = {
        start: () => Promise.reject(new ModosuError('GUEST_SSH_REFUSED', 'no', { hint: 'Put this line into authorized_keys: ssh-ed25519 KEY' })),
      };
      const refused = await checkEstate(dependencies({ ...declared, overSsh: refusing }));
      expect(refused.at(-1)).toMatchObject({ state: 'fail', code: 'GUEST_SSH_REFUSED', hint: expect.stringContaining('ssh-ed25519 KEY') as string });
    });

    it('are not asked about while the agent is silent', async () => {
      await expect(
        states({ servers: [withData], inspect: () => Promise.resolve(inspection({ agent: { state: 'silent', version: null, commands: [] } })) }),
      ).resolves.toEqual(expect.not.arrayContaining([expect.stringContaining('fail')]));
    });
  });

  it('names the directory that QEMU cannot pass through to write online images', async () => {
    chmodSync(directory, 0o700);
    await expect(states({})).resolves.toEqual(expect.arrayContaining(['repository main: ok', 'repository main: warn REPOSITORY_NOT_TRAVERSABLE']));
  });

  it('names a repository that is away, and one that is nearly full', async () => {
    await expect(states({ check: () => Promise.reject(new ModosuError('REPOSITORY_UNREACHABLE', 'gone')) })).resolves.toContain(
      'repository main: fail REPOSITORY_UNREACHABLE',
    );
    await expect(states({ check: () => Promise.resolve({ freeBytes: 1000, recoveryPoints: 0 }) })).resolves.toContain('repository main: warn NOT_ENOUGH_SPACE');
  });

  it('names why no image of a server can be taken, a missing agent and a missing directory', async () => {
    const refusal = new ModosuError('DISK_FILE_MISSING', 'vda is missing').summary();
    const found = inspection({
      refusals: [refusal],
      agent: { state: 'absent', version: null, commands: [] },
      disks: [
        { target: 'vda', bus: 'virtio', path: join(directory, 'absent', 'vda'), format: 'raw', virtualSizeBytes: 0, allocatedBytes: 0, backingChain: [] },
      ],
    });
    await expect(states({ inspect: () => Promise.resolve(found) })).resolves.toEqual(
      expect.arrayContaining(['server db01: fail DISK_FILE_MISSING', 'server db01: warn AGENT_ABSENT', 'server db01: fail TARGET_UNREACHABLE']),
    );
  });

  it('names a server on a hypervisor nobody has declared, and looks at every one of many servers', async () => {
    const servers = Array.from({ length: 11 }, (_, index) => ({ ...server, name: `s${index}`, hypervisor: index === 7 ? 'elsewhere' : 'h1' }));
    const found = (await states({ servers })).filter((line) => line.startsWith('server '));
    expect(found).toEqual(servers.map(({ name }) => (name === 's7' ? 'server s7: fail HYPERVISOR_NOT_CONFIGURED' : `server ${name}: ok`)));
  });
});

describe('doctor: data repository', () => {
  it('says where it is, and how much room there is', async () => {
    const repository = new FakeDataRepository();
    const elsewhere = 'memory answers and knows its logins, restic 0.14.0; what has expired is';
    await expect(checkDataRepository(() => repository, null)).resolves.toEqual([ok('data repository', `${elsewhere} removed over an endpoint of its own`)]);
    repository.isForgetful = false;
    await expect(checkDataRepository(() => repository, null)).resolves.toEqual([ok('data repository', `${elsewhere} never removed`)]);
    await expect(checkDataRepository(() => repository, tmpdir())).resolves.toMatchObject([
      { detail: expect.stringMatching(new RegExp(`restic 0.14.0, ${tmpdir()}, .* free$`)) as string },
    ]);
  });

  it('names one that does not answer, one that nobody knows of, and a missing restic', async () => {
    const repository = new FakeDataRepository();
    for (const code of ['DATA_REPOSITORY_UNREACHABLE', 'DATA_REPOSITORY_KEY_WRONG', 'PROGRAM_MISSING'] as const) {
      repository.failWith = new ModosuError(code, 'why');
      await expect(checkDataRepository(() => repository, null)).resolves.toMatchObject([{ state: 'fail', code, detail: 'why' }]);
    }
    const unknown = (): never => {
      throw new ModosuError('CONFIG_INVALID', 'no address');
    };
    await expect(checkDataRepository(unknown, null)).resolves.toMatchObject([{ state: 'fail', code: 'CONFIG_INVALID' }]);
  });
});

describe('doctor: report', () => {
  it('takes silence and unknown errors for failures', async () => {
    await expect(look('a', () => new Promise(() => undefined), 20)).resolves.toMatchObject([
      { state: 'fail', detail: expect.stringContaining('No answer') as string },
    ]);
    await expect(look('a', () => Promise.reject(new Error('boom')))).resolves.toMatchObject([{ state: 'fail', code: 'INTERNAL', detail: 'boom' }]);
  });

  it('is a line for each check, with what to do below it, and no control characters', () => {
    const text = render(
      reportOf([
        ok('catalogue', 'fine'),
        fail('hypervisor h1', 'bad\u001b[31m\nthing', 'mend it', 'HYPERVISOR_UNREACHABLE'),
        warn('estate', 'empty', 'fill it'),
      ]),
      'table',
    );
    expect(text).toBe(
      [
        'ok    catalogue      fine',
        'fail  hypervisor h1  HYPERVISOR_UNREACHABLE: bad [31m thing',
        '                     -> mend it',
        'warn  estate         empty',
        '                     -> fill it',
        '',
        '1 check failed: runs that need them will not work.',
        '',
      ].join('\n'),
    );
  });

  it('counts', () => {
    expect(reportOf([ok('a', 'b'), warn('a', 'b', 'c'), warn('a', 'b', 'c')])).toMatchObject({ failed: 0, warnings: 2 });
    expect(render(reportOf([warn('a', 'b', 'c')]), 'table')).toContain('1 thing to look at');
    expect(render(reportOf([ok('a', 'b')]), 'table')).toContain('Everything a run needs is there.\n');
    expect(JSON.parse(render(reportOf([ok('a', 'b')]), 'json'))).toEqual({
      failed: 0,
      warnings: 0,
      checks: [{ subject: 'a', state: 'ok', detail: 'b', hint: null, code: null }],
    });
  });
});
