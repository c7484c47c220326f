import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { cli, startCli, until } from './cli-harness';

const POLICY = {
  name: 'weekly',
  image: { schedule: { every: 'week', on: ['sunday'], at: '01:00' }, retention: { last: 3 } },
  verification: null,
  offsite: { repository: 'vault', retention: { last: 2 } },
};

describe('modosu, off-site', () => {
  let api: ApiHarness;
  let id: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.createServer('web01');
    const [db01] = ESTATE.servers;
    const servers = [
      { ...db01, policy: 'weekly' },
      { ...db01, name: 'web01', domain: 'web01' },
    ];
    await api.applyEstate(
      estateSchema.parse({ ...ESTATE, servers, policies: [POLICY], offsite: [{ name: 'vault', location: '/mnt/vault', media: 'removable' }] }),
    );
    const manifest = manifestOf(await api.catalog.getServer('db01'), 1);
    await api.catalog.recordRecoveryPoint(manifest, 'main');
    id = manifest.recoveryPointId;
  });
  afterEach(() => api.close());

  const copy = (...more: readonly string[]) => cli(api, ['offsite', 'copy', id, '--reason', 'before the move', ...more]);
  const transferOf = (stdout: string): string => /^Transfer (trf_\w+)\n/.exec(stdout)?.[1] ?? '';
  /** Begins what waits, as the worker does; its id. */
  const begin = async (): Promise<string> => (await api.catalog.startNextTransfer('asked'))?.transferId ?? '';
  const copied = async (transferId: string): Promise<void> => {
    await api.catalog.recordCopied(transferId, id, { snapshotIds: ['s'], copiedAt: new Date().toISOString(), sizeBytes: 70 });
    await api.catalog.finishTransfer(transferId, { state: 'succeeded', error: null });
  };

  it('list says whether a place is there, and what lies in it', async () => {
    expect((await cli(api, ['offsite', 'list'])).stdout).toMatch(/\nvault +\/mnt\/vault +removable +unknown +never +- +0 +0 B +-\n$/);
    await api.catalog.recordOffsiteLook('vault', null);
    await copy();
    await copied(await begin());
    const { code, stdout } = await cli(api, ['offsite', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nvault +\/mnt\/vault +removable +here +\S+ \S+ +- +1 +70 B +-\n$/);
  });

  it('copy has one made where the policy says; transfers are listed by state and by server', async () => {
    const { code, stdout } = await copy();
    const transferId = transferOf(stdout);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`\n {2}kind +copy\n {2}off-site +vault\n {2}server +db01 .*\n {2}recovery point +${id}\n {2}state +waiting\n`));
    expect((await cli(api, ['offsite', 'transfers', '--state', 'running'])).stdout).not.toContain(transferId);
    await api.catalog.recordOffsiteLook('vault', null);
    await begin();
    for (const where of [
      ['--state', 'running'],
      ['--server', 'db01'],
    ]) {
      expect((await cli(api, ['offsite', 'transfers', ...where])).stdout).toMatch(new RegExp(`\n${transferId} +copy +vault +db01 +${id} +running `));
    }
    expect((await cli(api, ['offsite', 'transfers', '--server', 'web01'])).stdout).not.toContain(transferId);
    expect((await cli(api, ['offsite', 'show', transferId])).stdout).toMatch(/\n {2}reason +before the move\n/);
  });

  it('copy --wait follows it to its end, and fails with what the copy failed with', async () => {
    const following = async (end: (transferId: string) => Promise<void>) => {
      await api.catalog.recordOffsiteLook('vault', null);
      const run = startCli(api, ['offsite', 'copy', id, '--reason', 'a damaged pack', '--wait']);
      await until('it is written down', () => run.stderr.includes('Safe to close'));
      await end(await begin());
      return run.end();
    };
    const failed = await following((transferId) =>
      api.catalog.finishTransfer(transferId, { state: 'failed', error: new ModosuError('OFFSITE_OFFLINE', 'vault was taken away').summary() }),
    );
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('OFFSITE_OFFLINE: vault was taken away') as string });
    expect(await following(copied)).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n {2}state +succeeded\n/) as string });
    expect(await copy()).toMatchObject({ code: 5, stderr: expect.stringContaining('OFFSITE_ALREADY_COPIED') as string });
  });

  it('cancel stops one, once', async () => {
    const transferId = transferOf((await copy()).stdout);
    const cancel = () => cli(api, ['offsite', 'cancel', transferId, '--reason', 'the line is needed']);
    expect(await cancel()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\n {2}state +cancelled\n/) as string,
      stderr: 'What was sent is not sent again.\n',
    });
    expect(await cancel()).toMatchObject({ code: 5, stdout: '', stderr: expect.stringContaining('TRANSFER_FINISHED') as string });
    const { items } = await api.catalog.listTransfers({}, { limit: 10, cursor: null });
    expect(items).toMatchObject([{ state: 'cancelled' }]);
  });

  it('restore plan --from fetches first, says where to look meanwhile, and plans with what was copied', async () => {
    await api.catalog.recordOffsiteLook('vault', null);
    await copy();
    await copied(await begin());
    const server = await api.catalog.getServer('db01');
    const { items } = await api.catalog.listRecoveryPoints({ serverId: server.id }, { limit: 1, cursor: null });
    const [point] = items;
    api.runStarter.onPlan = async ({ input }) => {
      if (point?.kind === 'image') await api.completePlan(input.planId, server, point);
    };
    const { code, stdout, stderr } = await cli(api, ['restore', 'plan', 'db01', '--scenario', 'server', '--from', 'vault']);
    expect(code).toBe(0);
    expect(api.runStarter.plans).toMatchObject([{ scenario: 'server', input: { from: 'vault', recoveryPointId: null } }]);
    expect(stderr).toContain('fetched from vault first; `modosu offsite transfers --server db01` shows how far it is.');
    expect(stdout).toContain(id);
  });
});
