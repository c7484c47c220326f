import { ModosuError } from '../../contracts/errors';
import type { WayBackView } from '../../contracts/way-back';
import { sweep, type JanitorDependencies } from './janitor';

const NOW = new Date('2026-03-10T00:00:00.000Z');
const minutesAgo = (minutes: number): Date => new Date(NOW.getTime() - minutes * 60_000);
const expired = (runId: string, serverId: string): WayBackView => ({ runId, serverId, expiresAt: '2026-03-09T00:00:00.000Z' }) as WayBackView;

/** A world in which everything that is done is written down. */
function world(
  changes: {
    now?: () => Date;
    isSteady?: boolean;
    open?: readonly { runId: string; serverId: string; recoveryPointId: string }[];
    staged?: readonly { recoveryPointId: string; changedAt: Date }[];
    expired?: readonly WayBackView[];
    listSlowlyMs?: number;
    guards?: () => Promise<readonly string[]>;
    proofs?: readonly string[];
    verifications?: Readonly<Record<string, string | null>>;
  } = {},
) {
  const done: string[] = [];
  const warnings: unknown[] = [];
  const open = changes.open ?? [];
  const dependencies = {
    catalog: {
      listHypervisors: async () => [{ name: 'kvm1' }],
      listRepositories: async () => [{ name: 'main' }],
      listOpenRuns: async () => {
        const until = performance.now() + (changes.listSlowlyMs ?? 0);
        while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
        return open;
      },
      getDispatchable: async (runId: string) => ({
        kind: 'backup-image',
        input: { runId, recoveryPointId: open.find((run) => run.runId === runId)?.recoveryPointId },
      }),
      getVerification: async (id: string) => {
        const finishedAt = changes.verifications?.[id];
        if (finishedAt === undefined) throw new ModosuError('VERIFICATION_NOT_FOUND', id);
        return { finishedAt };
      },
      listExpiredWayBacks: async () => changes.expired ?? [],
      acceptConfirm: async ({ ofRunId, actor }: { ofRunId: string; actor: string }) => {
        done.push(`confirm ${ofRunId} by ${actor}`);
        return { runId: `run-of-${ofRunId}`, replayed: false };
      },
    },
    runs: { startRun: async ({ input }: { input: { runId: string } }) => void done.push(`start ${input.runId}`) },
    hypervisor: async () => ({
      sweepGuards: async (openRunIds: ReadonlySet<string>) => {
        done.push(`guards but ${[...openRunIds].join(' ')}`.trim());
        return (await changes.guards?.()) ?? [];
      },
      listProofs: async () => changes.proofs ?? [],
      endProof: async (id: string) => void done.push(`end ${id}`),
    }),
    imageRepository: async () => ({ listStaged: async () => changes.staged ?? [], discardStaged: async (id: string) => void done.push(`discard ${id}`) }),
    log: { info() {}, error() {}, warn: (fields: unknown) => void warnings.push(fields) },
    now: changes.now ?? (() => NOW),
    expiryTried: new Map(),
    clock: { isSteady: () => changes.isSteady ?? true },
  } as unknown as JanitorDependencies;
  return { done, warnings, pass: () => sweep(dependencies) };
}

const OPEN = [{ runId: 'run_1', serverId: 'srv_1', recoveryPointId: 'rp_1' }];

it('leaves guards and staged images of open runs alone, and staged ones that are young', async () => {
  const { done, pass } = world({
    open: OPEN,
    staged: [
      { recoveryPointId: 'rp_1', changedAt: minutesAgo(600) },
      { recoveryPointId: 'rp_2', changedAt: minutesAgo(1) },
    ],
  });
  await pass();
  expect(done).toEqual(['guards but run_1']);
});

it('ends boots of images whose verification has ended, and leaves alone what still runs, or belongs to others', async () => {
  const verifications = { vrf_1: '2026-03-09T00:00:00.000Z', vrf_2: null, vrf_4: '2026-03-09T00:00:00.000Z' };
  const { done, pass } = world({ proofs: ['vrf_1', 'vrf_2', 'vrf_3', 'vrf_4'], verifications });
  await pass();
  expect(done).toEqual(['guards but', 'end vrf_1', 'end vrf_4']);
});

it('removes a staged image that no run works on', async () => {
  const { done, pass } = world({ open: OPEN, staged: [{ recoveryPointId: 'rp_3', changedAt: minutesAgo(11) }] });
  await pass();
  expect(done).toContain('discard rp_3');
});

it('takes nothing for old or expired while the time of day has jumped ahead', async () => {
  const { done, warnings, pass } = world({
    isSteady: false,
    staged: [{ recoveryPointId: 'rp_3', changedAt: minutesAgo(600) }],
    expired: [expired('run_9', 'srv_2')],
  });
  await pass();
  expect(done).toEqual(['guards but']);
  expect(warnings).toHaveLength(1);
});

it('does not judge guards by a list that came late', async () => {
  const { done, pass } = world({ listSlowlyMs: 300 });
  await pass();
  expect(done).toEqual([]);
});

it('confirms what has expired, as the system, but not while the server is busy', async () => {
  const { done, pass } = world({ open: OPEN, expired: [expired('run_8', 'srv_1'), expired('run_9', 'srv_2')] });
  await pass();
  expect(done).toEqual(['guards but run_1', 'confirm run_9 by system', 'start run-of-run_9']);
});

it('goes on when one place does not answer', async () => {
  const { done, warnings, pass } = world({
    guards: () => Promise.reject(new ModosuError('HYPERVISOR_UNREACHABLE', 'away')),
    expired: [expired('run_9', 'srv_2')],
  });
  await pass();
  expect(done).toContain('confirm run_9 by system');
  expect(warnings).toContainEqual(expect.objectContaining({ hypervisor: 'kvm1', code: 'HYPERVISOR_UNREACHABLE' }));
});

it('does not hold a server by trying to delete again and again what a guest that is off keeps', async () => {
  let hours = 0;
  const { done, pass } = world({ expired: [expired('run_9', 'srv_2')], now: () => new Date(NOW.getTime() + hours * 3_600_000) });
  for (; hours < 12; hours += 1) await pass();
  expect(done.filter((what) => what === 'confirm run_9 by system')).toHaveLength(2);
});
