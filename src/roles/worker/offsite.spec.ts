import { FakeOffsiteRepository } from '../../../test/support/fake-offsite-repository';
import { createLog } from '../../config/log';
import { ModosuError, type ErrorSummary } from '../../contracts/errors';
import type { TransferInput } from '../../contracts/offsite-copies';
import { OffsiteKeeper, type OffsiteDependencies } from './offsite';

const log = createLog({ level: 'silent', role: 'worker' });

function world(repository: FakeOffsiteRepository, transfers: readonly string[] = []) {
  const looks: (string | null)[] = [];
  const asked: string[] = [];
  const started: string[] = [];
  const waiting = [...transfers];
  let nowMs = 0;
  let retired = 0;
  let state = 'unknown';
  const dependencies = {
    catalog: {
      listOffsite: async () => [{ name: 'vault', location: '/mnt/vault', media: 'fixed' }],
      offsiteRepositories: async () => [{ name: 'vault', state }],
      recordOffsiteLook: async (_name: string, problem: ErrorSummary | null) => {
        looks.push(problem?.code ?? null);
        state = problem === null ? 'here' : 'offline';
      },
      startNextTransfer: async (which: 'asked' | 'any') => {
        asked.push(which);
        const transferId = waiting.shift();
        return transferId === undefined ? null : ({ transferId, points: [] } as unknown as TransferInput);
      },
      retireCopies: async () => ((retired += 1), { expired: 0, returned: 0 }),
    },
    runs: {
      startTransfer: async ({ transferId }: TransferInput) => {
        if (transferId === 'trf_fails') throw new ModosuError('TEMPORAL_UNAVAILABLE', 'away');
        started.push(transferId);
      },
    },
    offsiteRepository: async () => repository,
    log,
    nowMs: () => nowMs,
  } as unknown as OffsiteDependencies;
  const keeper = new OffsiteKeeper(dependencies);
  const pass = async (afterMs = 0): Promise<void> => {
    nowMs += afterMs;
    await keeper.pass();
    await keeper.settled();
  };
  return { looks, asked, started, retired: () => retired, pass, isFoundAway: () => (state = 'offline') };
}

it('makes an off-site repository that was never made, and looks at it again now and then', async () => {
  const { looks, pass } = world(new FakeOffsiteRepository('vault'));
  await pass();
  expect(looks).toEqual([null]);
  await pass(60_000);
  expect(looks).toEqual([null]);
  await pass(10 * 60_000);
  expect(looks).toEqual([null, null]);
});

it('looks for one that is away more often, and writes down why', async () => {
  const repository = new FakeOffsiteRepository('vault', { isMade: true, media: 'removable' });
  repository.isConnected = false;
  const { looks, pass } = world(repository);
  await pass();
  await pass(15_000);
  expect(looks).toEqual(['OFFSITE_OFFLINE', 'OFFSITE_OFFLINE']);
  repository.isConnected = true;
  await pass(15_000);
  expect(looks.at(-1)).toBeNull();
});

it('looks for one that a transfer has found away, although it was there at the last look', async () => {
  const repository = new FakeOffsiteRepository('vault', { isMade: true, media: 'removable' });
  const { looks, pass, isFoundAway } = world(repository);
  await pass();
  await pass(15_000);
  expect(looks).toEqual([null]);
  repository.isConnected = false;
  isFoundAway();
  await pass(15_000);
  expect(looks).toEqual([null, 'OFFSITE_OFFLINE']);
  repository.isConnected = true;
  await pass(15_000);
  await pass(15_000);
  expect(looks).toEqual([null, 'OFFSITE_OFFLINE', null]);
});

it('offsite credentials that are wrong are written down, and keep nothing else from being done', async () => {
  const repository = new FakeOffsiteRepository('vault', { isMade: true });
  repository.failWith = new ModosuError('OFFSITE_CREDENTIALS_WRONG', 'the password opens nothing');
  const { looks, started, retired, pass } = world(repository, ['trf_1']);
  await pass();
  expect([looks, started, retired()]).toEqual([['OFFSITE_CREDENTIALS_WRONG'], ['trf_1'], 1]);
});

it('begins all that can begin, asks for what policies want now and then, and goes on where one could not be started', async () => {
  const { asked, started, pass } = world(new FakeOffsiteRepository('vault', { isMade: true }), ['trf_1', 'trf_fails', 'trf_2']);
  await pass();
  expect(started).toEqual(['trf_1', 'trf_2']);
  expect(asked).toEqual(['any', 'any', 'any', 'any']);
  // Something had begun: it is asked again at once.
  await pass(2_000);
  await pass(2_000);
  expect(asked.slice(4)).toEqual(['any', 'asked']);
  await pass(30_000);
  expect(asked.at(-1)).toBe('any');
});
