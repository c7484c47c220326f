import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import type { BackupSubject, EndedSurvey } from '../src/contracts/activities/images';
import type { PlanSource } from '../src/contracts/activities/planning';
import { ModosuError } from '../src/contracts/errors';
import { FACT_KINDS, type ServerFacts } from '../src/contracts/facts';
import { factsState, type CollectedFacts } from '../src/contracts/generation';
import type { FactsNow } from '../src/contracts/plan';
import { NO_PROTECTION } from '../src/contracts/protection';
import type { BackupImageInput } from '../src/contracts/workflows';
import { collectFacts } from '../src/guests/facts/collect-facts';
import type { GuestAgent } from '../src/guests/guest-agent';
import { DEBIAN_12 } from '../test/support/recorded-guests/debian-12';
import { RecordedGuest } from '../test/support/recorded-guests/recorded-guest';
import { serverFacts } from '../test/support/server-facts';
import type { ActivityDependencies } from './dependencies';
import { HostCalls } from './host-activities';

describe('the checksum of a manifest', () => {
  const manifest = { disks: [] };
  const recorded: unknown[] = [];
  const calls = new HostCalls({
    hypervisor: async () => ({}),
    imageRepository: async () => ({ open: async () => ({ manifest, manifestSha256: 'bb' }), readFacts: async () => null }),
    catalog: {
      manifestChecksum: async (id: string) => (id === 'rp_1' ? 'aa' : null),
      recordRecoveryPoint: async (...said: readonly unknown[]) => void recorded.push(said),
    },
  } as unknown as ActivityDependencies);
  const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work) as Promise<T>;

  it('is recorded as it was read', async () => {
    await run(() => calls.recordRecoveryPoint({ recoveryPointId: 'rp_1', serverId: 'srv_1', repository: 'main', sizeBytes: 1 }));
    expect(recorded).toEqual([[manifest, 'main', 'bb', null]]);
  });

  it('is compared when a plan is made', async () => {
    const source = { serverId: 'srv_1', serverName: 'db01', hypervisor: 'kvm1', repository: 'main', recoveryPointId: 'rp_1' } as PlanSource;
    await expect(run(() => calls.surveyRestore(source))).rejects.toMatchObject({
      code: 'RECOVERY_POINT_CORRUPT',
      message: expect.stringContaining('was exchanged') as string,
      context: { recoveryPointId: 'rp_1', file: 'manifest.json' },
    });
  });
});

describe('what an online image builds on', () => {
  const subject = { disks: [{ target: 'vda', path: '/srv/vda.qcow2', format: 'qcow2', flattened: false, allocatedBytes: 600 }], neededBytes: 610 };
  const survey = { able: ['vda'], virtualSizeBytes: { vda: 1000 }, found: { name: 'rp_1', changedBytes: { vda: 64 } }, problem: null };
  const opened = { manifest: { disks: [{ target: 'vda', virtualSizeBytes: 1000 }] }, imagesOf: () => ['full'], backingName: () => '../rp_1/vda.qcow2' };
  const calls = new HostCalls({
    hypervisor: async () => ({ findCheckpoints: async () => survey }),
    imageRepository: async () => ({ open: async () => opened }),
  } as unknown as ActivityDependencies);
  const basis = async (input: Partial<BackupImageInput>) =>
    new MockActivityEnvironment().run(() =>
      calls.chooseBasis(input as BackupImageInput, subject as unknown as BackupSubject, { recoveryPointIds: ['rp_1'] }),
    ) as Promise<{
      readonly parentId: string | null;
      readonly fullBecause: string | null;
    }>;

  it('is what the request of the run says: how many may follow a full, or a whole one', async () => {
    expect(await basis({ maxIncrements: 13 })).toMatchObject({ parentId: 'rp_1', fullBecause: null });
    expect(await basis({ maxIncrements: 13, full: true })).toMatchObject({ parentId: null, fullBecause: 'a whole image was asked for' });
    // As an earlier version has accepted it.
    expect(await basis({})).toMatchObject({ parentId: null });
  });
});

describe('facts of the server that is imaged', () => {
  const input = {
    serverId: 'srv_1',
    serverName: 'db01',
    uuid: '3f0c9c1e-1111-4222-8333-444455556666',
    hypervisor: 'kvm1',
    repository: 'main',
    recoveryPointId: 'rp_01aaaaaaaaaaaaaaaaaaaaaaaa',
  } as BackupImageInput;
  const staged: { readonly recoveryPointId: string; readonly facts: ServerFacts }[] = [];
  const calls = (agent: GuestAgent, changes: { readonly protection?: object; readonly stageFacts?: () => Promise<never> } = {}) =>
    new HostCalls({
      hypervisor: async () => ({ guestAgent: () => agent }),
      overSsh: () => {
        throw new Error('not over SSH');
      },
      imageRepository: async () => ({
        stageFacts: changes.stageFacts ?? (async (recoveryPointId: string, facts: ServerFacts) => void staged.push({ recoveryPointId, facts })),
      }),
      catalog: { getServer: async () => ({ protection: { ...NO_PROTECTION, ...changes.protection } }) },
    } as unknown as ActivityDependencies);
  const collect = (of: HostCalls, environment = new MockActivityEnvironment()) => environment.run(() => of.collectFacts(input)) as Promise<CollectedFacts>;
  beforeEach(() => void staged.splice(0));

  it('are put beside the image, whole, and told of in numbers', async () => {
    const said = await collect(calls(new RecordedGuest(DEBIAN_12)));
    expect(staged).toMatchObject([{ recoveryPointId: input.recoveryPointId, facts: { format: 'modosu-server-facts', version: 1, family: 'debian' } }]);
    const [{ facts } = { facts: null }] = staged;
    expect(said).toEqual({
      state: 'collected',
      collectedAt: facts?.collectedAt,
      family: 'debian',
      entries: facts?.sections.reduce((sum, section) => sum + (section.state === 'collected' ? section.entries.length : 0), 0),
      failed: [],
      truncated: [],
    });
    expect(said.entries).toBeGreaterThan(50);
  });

  it('are of the configuration that is declared now', async () => {
    const asked = async (protection: object): Promise<number> => {
      const guest = new RecordedGuest(DEBIAN_12);
      await collect(calls(guest, { protection }));
      return guest.calls.length;
    };
    expect(await asked({ configurationPaths: ['/opt/app'] })).toBeGreaterThan(await asked({}));
  });

  it('of a guest that does not answer are none of any kind, which is no failure of the step', async () => {
    const guest = new RecordedGuest(DEBIAN_12, () => {
      throw new ModosuError('AGENT_SILENT', 'nobody answers');
    });
    const said = await collect(calls(guest));
    // Of files none are declared: there was nothing to ask.
    expect([said.entries, said.failed]).toEqual([0, FACT_KINDS.filter((kind) => kind !== 'files')]);
    expect(guest.calls).toHaveLength(1);
    expect(staged).toHaveLength(1);
  });

  it('are asked over SSH where that is declared', async () => {
    const over = new RecordedGuest(DEBIAN_12);
    const agent = new RecordedGuest({ files: {}, programs: {} });
    const ssh = { host: '10.20.0.15', port: 22, user: 'root', hostKey: 'x', sudo: false };
    const deps = {
      hypervisor: async () => ({ guestAgent: () => agent }),
      overSsh: () => over,
      imageRepository: async () => ({ stageFacts: async () => undefined }),
      catalog: { getServer: async () => ({ protection: { ...NO_PROTECTION, ssh } }) },
    } as unknown as ActivityDependencies;
    expect((await collect(new HostCalls(deps))).entries).toBeGreaterThan(50);
    expect(agent.calls).toEqual([]);
  });

  it('that cannot be written down say so: the workflow goes on without them', async () => {
    const stageFacts = async (): Promise<never> => {
      throw new ModosuError('NOT_ENOUGH_SPACE', 'the repository is full');
    };
    await expect(collect(calls(new RecordedGuest(DEBIAN_12), { stageFacts }))).rejects.toMatchObject({ code: 'NOT_ENOUGH_SPACE' });
  });

  it('are not waited for by a run that is cancelled, and nothing is put anywhere', async () => {
    const environment = new MockActivityEnvironment();
    const guest = new RecordedGuest(DEBIAN_12, async () => {
      environment.cancel('CANCELLED');
      await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    });
    await expect(collect(calls(guest), environment)).rejects.toBeInstanceOf(CancelledFailure);
    expect(staged).toEqual([]);
  });

  it('are recorded with the recovery point as they lie there', async () => {
    const recorded: unknown[] = [];
    const facts = serverFacts({ users: [{ key: 'root', value: '0' }] });
    const host = new HostCalls({
      imageRepository: async () => ({ open: async () => ({ manifest: { disks: [] }, manifestSha256: 'bb' }), readFacts: async () => facts }),
      catalog: { recordRecoveryPoint: async (...said: readonly unknown[]) => void recorded.push(said) },
    } as unknown as ActivityDependencies);
    await new MockActivityEnvironment().run(() => host.recordRecoveryPoint({ recoveryPointId: 'rp_1', serverId: 'srv_1', repository: 'main', sizeBytes: 1 }));
    expect(recorded).toEqual([[{ disks: [] }, 'main', 'bb', facts]]);
  });
});

describe('the server itself, for a plan', () => {
  const source = { serverId: 'srv_1', serverName: 'db01', uuid: '3f0c9c1e-1111-4222-8333-444455556666', hypervisor: 'kvm1', recoveryPointId: 'rp_3' };
  const answering = { powerState: 'running', agent: { state: 'answering' } };
  const compare = (
    agent: GuestAgent,
    { then = serverFacts(), inspect = async () => answering as never }: { readonly then?: ServerFacts | null; readonly inspect?: () => Promise<never> } = {},
    environment = new MockActivityEnvironment(),
  ) => {
    const calls = new HostCalls({
      hypervisor: async () => ({ guestAgent: () => agent, inspect }),
      catalog: {
        getRecoveryPoint: async (id: string) => ({ id, kind: 'image', generation: 3 }),
        getGeneration: async (_serverId: string, generation: number) => ({
          generation,
          facts: then === null ? { state: 'missing', why: 'it was off' } : factsState(then),
          sections: then?.sections ?? null,
        }),
        getServer: async () => ({ protection: NO_PROTECTION }),
      },
    } as unknown as ActivityDependencies);
    return environment.run(() => calls.compareFacts(source)) as Promise<FactsNow>;
  };
  const facts = () => collectFacts(new RecordedGuest(DEBIAN_12), { configurationPaths: [], now: () => new Date() });
  const guest = (code: 'AGENT_SILENT' | 'GUEST_COMMAND_FORBIDDEN') =>
    new RecordedGuest(DEBIAN_12, () => {
      throw new ModosuError(code, 'no');
    });

  it('is compared with what is restored; the difference alone is told', async () => {
    const then = await facts();
    expect(await compare(new RecordedGuest(DEBIAN_12), { then })).toEqual({
      state: 'compared',
      of: 3,
      at: expect.any(String) as string,
      sentences: [],
      gaps: [],
    });
    const sections = then.sections.map((section) =>
      section.kind === 'packages' && section.state === 'collected'
        ? { ...section, entries: section.entries.filter(({ key }) => key !== 'adduser:all') }
        : section,
    );
    expect(await compare(new RecordedGuest(DEBIAN_12), { then: { ...then, sections } })).toMatchObject({ sentences: ['1 package added ("adduser:all")'] });
  });

  it.each([
    ['off', { inspect: async () => ({ ...answering, powerState: 'off' }) as never }, 'off'],
    ['without an agent that answers', { inspect: async () => ({ ...answering, agent: { state: 'silent' } }) as never }, 'no-agent'],
    [
      'gone',
      {
        inspect: async () => {
          throw new ModosuError('SERVER_GONE', 'it is gone');
        },
      },
      'gone',
    ],
    ['beside an image without facts', { then: null }, 'no-facts'],
  ] as const)('is asked nothing where it is %s', async (_what, changes, why) => {
    const agent = new RecordedGuest(DEBIAN_12);
    expect(await compare(agent, changes)).toMatchObject({ state: 'not-compared', why });
    expect(agent.calls).toEqual([]);
  });

  it('whose agent falls silent, or forbids all of it, is not compared', async () => {
    expect(await compare(guest('AGENT_SILENT'), { then: await facts() })).toEqual({ state: 'not-compared', why: 'failed', reason: 'AGENT_SILENT: no' });
    expect(await compare(guest('GUEST_COMMAND_FORBIDDEN'), { then: await facts() })).toMatchObject({
      state: 'not-compared',
      reason: 'GUEST_COMMAND_FORBIDDEN: no',
    });
  });

  it('that takes its time with every answer has told what it has after 45 seconds: a person waits for the plan', async () => {
    const then = await facts();
    jest.useFakeTimers();
    try {
      const startedAt = performance.now();
      let endedAt = Infinity;
      // Each program is ended by its own deadline, but the first one, from which the rest is known to be there.
      const slow = new RecordedGuest(DEBIAN_12, ([program]) => (program === 'head' ? 0 : 9_500));
      const comparing = compare(slow, { then }).finally(() => (endedAt = performance.now()));
      await jest.advanceTimersByTimeAsync(120_000);
      expect(await comparing).toMatchObject({ state: 'compared', gaps: expect.arrayContaining([expect.stringContaining('FACTS_NOT_COLLECTED')]) as string[] });
      expect(endedAt - startedAt).toBeLessThanOrEqual(45_000);
    } finally {
      jest.useRealTimers();
    }
  });

  it('is not waited for any longer when nobody wants to know', async () => {
    const environment = new MockActivityEnvironment();
    const hanging = new RecordedGuest(DEBIAN_12, async () => {
      environment.cancel('CANCELLED');
      await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    });
    await expect(compare(hanging, {}, environment)).rejects.toBeInstanceOf(CancelledFailure);
  });
});

describe('a run that was ended from outside', () => {
  const input = { runId: 'run_1', serverName: 'db01', uuid: '3f0c9c1e-1111-4222-8333-444455556666', hypervisor: 'kvm1' } as BackupImageInput;
  const FILES = ['/srv/vm/vda.qcow2'];
  const survey = (said: { readonly namedFiles?: () => Promise<unknown>; readonly stopBy?: () => Promise<unknown> }, attempt = 1) => {
    const hypervisor = {
      namedFiles: async () => FILES,
      stopBy: async ({ uuid }: { readonly uuid: string }, runId: string) => (uuid === input.uuid && runId === input.runId ? 'stopped' : 'none'),
      ...said,
    };
    const calls = new HostCalls({ hypervisor: async () => hypervisor } as unknown as ActivityDependencies);
    return new MockActivityEnvironment({ attempt }).run(() => calls.surveyEnded(input)) as Promise<EndedSurvey>;
  };

  it('is told of as the hypervisor knows it, which is waited for', async () => {
    expect(await survey({})).toEqual({ files: FILES, stop: 'stopped' });
    const away = new ModosuError('HYPERVISOR_UNREACHABLE', 'no answer');
    await expect(survey({ namedFiles: () => Promise.reject(away) }, 100)).rejects.toBe(away);
    await expect(survey({ stopBy: () => Promise.reject(away) }, 100)).rejects.toBe(away);
  });

  it('is told of without what libvirt refuses to show, or storage does not give back after some attempts', async () => {
    const refused = new ModosuError('HYPERVISOR_COMMAND_FAILED', 'not shown');
    expect(await survey({ namedFiles: () => Promise.reject(refused) })).toEqual({ files: null, stop: 'stopped' });
    const stale = Object.assign(new Error('Stale file handle'), { code: 'ESTALE' });
    const stopBy = (): Promise<unknown> => Promise.reject(stale);
    await expect(survey({ stopBy }, 3)).rejects.toBe(stale);
    expect(await survey({ stopBy }, 4)).toEqual({ files: FILES, stop: null });
  });
});
