import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import type { VerificationOutcome } from '../../src/contracts/verification';
import { ApiHarness, manifestOf } from './api-harness';
import { cli } from './cli-harness';

const ESTATE_FILE = `hypervisors:
  - { name: local, kind: libvirt, maxBackups: 1 }
repositories:
  - { name: main, kind: directory, path: /srv/modosu }
policies:
  - name: daily
    timeZone: Europe/Berlin
    image:
      schedule: { every: week, on: [sunday], at: "01:00" }
      rpoHours: 192
      retention: { last: 1 }
    data:
      schedule: { cron: "30 2 * * *" }
      retention: { daily: 7, withinDays: 3 }
    rtoMinutes: 60
servers:
  - { name: db01, hypervisor: local, repository: main, policy: daily }
`;

describe('modosu, protection', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
  });
  afterEach(async () => api.close());

  const apply = async (text: string, ...options: readonly string[]) => {
    const path = join(api.directory, 'estate.yaml');
    await writeFile(path, text);
    return cli(api, ['apply', '-f', path, ...options]);
  };
  const estate = () => estateSchema.parse(parse(ESTATE_FILE));

  it('apply declares policies and shows what they say', async () => {
    const { code, stdout } = await apply(ESTATE_FILE);
    expect(code).toBe(0);
    expect(stdout).toContain('create  policy     daily\n          timeZone: Europe/Berlin\n          image: every sunday at 01:00, online, keeps last 1\n');
    expect(stdout).toContain('          data: cron 30 2 * * *, keeps daily 7, all within 3 days\n');
    expect(stdout).toContain('          policy: daily\n');
  });

  it('apply refuses a schedule that never comes, with what to do', async () => {
    const { code, stderr } = await apply(ESTATE_FILE.replace('30 2 * * *', '30 2 31 4 *'));
    expect(code).toBe(2);
    expect(stderr).toContain('error: SCHEDULE_INVALID: The schedule "30 2 31 4 *" of the data backups of policy "daily" never comes: no month has such a day.');
    expect(stderr).toContain('hint:  Correct the schedule in the estate file');
    expect(await api.catalog.listPolicies()).toEqual([]);
  });

  it('apply deletes policies only with --prune, and shows that before', async () => {
    await apply(ESTATE_FILE);
    const without = ESTATE_FILE.replace(/policies:[^]*?servers:/, 'servers:').replace(', policy: daily', '');
    const kept = await apply(without);
    expect(kept.stdout).toContain('kept    policy     daily  (not in the file; deleted only with --prune)');
    expect(await api.catalog.listPolicies()).toHaveLength(1);
    const dry = await apply(without, '--prune', '--dry-run');
    expect(dry.stdout).toContain('delete  policy     daily');
    expect(dry.stderr).toContain('Dry run: nothing was changed.');
    expect(await api.catalog.listPolicies()).toHaveLength(1);
    expect((await apply(without, '--prune')).stderr).toContain('Applied.');
    expect(await api.catalog.listPolicies()).toEqual([]);
  });

  it('policy list and show say when, how long and for whom', async () => {
    expect((await cli(api, ['policy', 'list'])).stderr).toContain('There is no policy yet');
    await api.applyEstate(estate());
    const list = await cli(api, ['policy', 'list']);
    expect(list.stdout).toMatch(
      /^NAME +IMAGES +DATA +TIME ZONE +SERVERS +NEXT IMAGE +NEXT DATA\ndaily +every sunday at 01:00 +cron 30 2 \* \* \* +Europe\/Berlin +1 +\d{4}-/,
    );
    const { stdout } = await cli(api, ['policy', 'show', 'daily']);
    expect(stdout).toMatch(
      /^Policy daily\n {2}time zone +Europe\/Berlin\n {2}servers +db01\n {2}verification +within 24 h, every 30 days\n {2}RTO +60 min\n {2}images +every sunday at 01:00, online\n +RPO 192 h\n +keeps last 1\n/,
    );
    expect(stdout).toMatch(/\n {2}data +cron 30 2 \* \* \*\n +no RPO\n +keeps daily 7, all within 3 days\n/);
    expect(await cli(api, ['policy', 'show', '..'])).toMatchObject({ code: 3, stderr: expect.stringContaining('POLICY_NOT_FOUND') as string });
    expect(await cli(api, ['policy', 'show', 'hourly'])).toMatchObject({ code: 3, stderr: expect.stringContaining('POLICY_NOT_FOUND') as string });
  });

  it('status exits with 0 only when nothing is in breach', async () => {
    await api.applyEstate(estate());
    const bad = await cli(api, ['status']);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/^NOT PROTECTED AS PROMISED: 1 breach \(\d/);
    expect(bad.stdout).toContain(
      '  NO_RECOVERY_POINT: Server "db01" has no usable image.\n    hint: Take one now: `modosu backup image db01 --mode online --reason TEXT`.',
    );
    expect(bad.stdout).toMatch(/\ndb01 +daily +image +NONE +8 d +\d{4}-.* NO_RECOVERY_POINT$/m);
    await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer('db01')), 'main');
    const good = await cli(api, ['status']);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/^All servers are protected as promised \(/);
    expect(good.stdout).toMatch(/\ndb01 +daily +image +(59|60|1 h).* old +8 d +\d{4}-.* ok$/m);
    expect((await cli(api, ['status', '--breaches'])).stdout).not.toContain('db01');
  });

  it('status of a server without a policy is a breach, and json says the same', async () => {
    await api.applyEstate();
    const { code, stdout } = await cli(api, ['status', '--output', 'json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ isProtected: false, servers: [{ serverName: 'db01', breaches: [{ code: 'NO_POLICY' }] }] });
  });

  it('retention preview says what would go and why the rest stays; hold and release change it', async () => {
    await api.applyEstate(estate());
    const server = await api.catalog.getServer('db01');
    const [old, newest] = [manifestOf(server, 1), manifestOf(server, 2)];
    await api.catalog.recordRecoveryPoint(old, 'main');
    await api.catalog.recordRecoveryPoint(newest, 'main');
    const { stdout } = await cli(api, ['retention', 'preview', 'db01']);
    expect(stdout).toMatch(/^db01, policy daily: 1 stay, 1 would go\.\n/);
    expect(stdout).toMatch(new RegExp(`${newest.recoveryPointId} +image +.* keep +last \\(1 of 1\\); newest \\(the newest that can be restored\\)`));
    expect(stdout).toMatch(new RegExp(`${old.recoveryPointId} +image +.* expire +no rule keeps it`));
    const held = await cli(api, ['recovery-point', 'hold', old.recoveryPointId, '--reason', 'evidence']);
    expect(held.stdout).toMatch(/\n {2}held +by .* since \d{4}-.*: evidence/);
    expect((await cli(api, ['retention', 'preview', 'db01', '--expire-only'])).stdout.trim()).toBe('db01, policy daily: 2 stay, 0 would go.');
    expect((await cli(api, ['recovery-point', 'list'])).stdout).toContain('(held: evidence)');
    expect((await cli(api, ['recovery-point', 'release', old.recoveryPointId, '--reason', 'closed'])).stderr).toContain('Released');
    expect(await cli(api, ['recovery-point', 'hold', old.recoveryPointId])).toMatchObject({ code: 2 });
  });

  it('alert list shows what is so, since when, and how the telling went', async () => {
    await api.applyEstate(estate());
    await api.catalog.reviewAlerts(['webhook']);
    const message = await api.catalog.nextAlertMessage('webhook');
    await api.catalog.recordAlertAttempt(message?.deliveryId ?? '', 'the receiver answered 503');
    const { code, stdout } = await cli(api, ['alert', 'list', '--state', 'open', '--server', 'db01']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^RAISED +CLEARED +SERVER +CODE +MESSAGES +WHAT\n/);
    expect(stdout).toMatch(/Z +- +db01 +[A-Z_]+ +raised by webhook: waiting after 1 attempt\(s\), the receiver answered 503 +Server "db01" .*`modosu/);
    expect((await cli(api, ['alert', 'list', '--state', 'cleared'])).stdout).toBe('RAISED  CLEARED  SERVER  CODE  MESSAGES  WHAT\n');
  });

  describe('verification', () => {
    const given = async (): Promise<string> => {
      await api.applyEstate(estate());
      const manifest = manifestOf(await api.catalog.getServer('db01'), 1);
      await api.catalog.recordRecoveryPoint(manifest, 'main');
      return manifest.recoveryPointId;
    };

    it('verify writes one down, list and show say what it waits for and what came of it', async () => {
      const id = await given();
      const asked = await cli(api, ['verify', id, '--reason', 'before the migration']);
      expect(asked.code).toBe(0);
      const verificationId = /^Verification (vrf_\S+)\n/.exec(asked.stdout)?.[1] ?? '';
      expect(asked.stdout).toMatch(
        new RegExp(`\n {2}what +image ${id}\n {2}how +checksums\n {2}state +waiting\n {2}requested +\\S+ \\S+ by \\S+\n {2}reason +before the migration\n`),
      );
      await api.catalog.startNextVerification('any');
      await api.catalog.recordVerificationProgress(verificationId, 1024 ** 3, 4 * 1024 ** 3);
      expect((await cli(api, ['verification', 'list', '--state', 'running'])).stdout).toMatch(/ checksums +running .* 1 GiB of 4 GiB\n$/);
      await api.catalog.recordVerdict(verificationId, id, { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 of vda differs' });
      await api.catalog.finishVerification(verificationId, {
        state: 'failed',
        error: new ModosuError('RECOVERY_POINT_CORRUPT', 'segment 3 of vda differs').summary(),
      });
      const shown = await cli(api, ['verification', 'show', verificationId]);
      expect(shown.stdout).toMatch(/\n {2}why +RECOVERY_POINT_CORRUPT: segment 3 of vda differs\n {2}next +\S/);
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(
        /\n {2}state +damaged\n {2}verification +corrupt \(\S+ \S+: RECOVERY_POINT_CORRUPT: segment 3 of vda differs\)\n/,
      );
      expect((await cli(api, ['recovery-point', 'list'])).stdout).toMatch(/ damaged +corrupt /);
    });

    it('verify --wait follows it to its end; damage and what could not be carried out are failures', async () => {
      const id = await given();
      const ending = async (outcome: VerificationOutcome): Promise<void> => {
        for (;;) {
          // Not before it is asked for: the policy wants one as well.
          const { items } = await api.catalog.listVerifications({ state: 'waiting' }, { limit: 1, cursor: null });
          const input = items.length === 0 ? null : await api.catalog.startNextVerification('any');
          if (input !== null) return api.catalog.finishVerification(input.verificationId, outcome);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const verify = () => cli(api, ['verify', id, '--reason', 'monthly', '--wait']);
      const [good] = await Promise.all([verify(), ending({ state: 'passed', error: null })]);
      expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n {2}state +passed\n/), stderr: expect.stringContaining('Safe to close') });
      const corrupt = new ModosuError('RECOVERY_POINT_CORRUPT', 'segment 3 of vda differs').summary();
      const [damaged] = await Promise.all([verify(), ending({ state: 'failed', error: corrupt })]);
      expect(damaged).toMatchObject({ code: 1, stderr: expect.stringContaining('RECOVERY_POINT_CORRUPT: segment 3 of vda differs') });
      const [bad] = await Promise.all([
        verify(),
        ending({ state: 'not-run', error: new ModosuError('REPOSITORY_UNREACHABLE', 'main is not mounted').summary() }),
      ]);
      expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('REPOSITORY_UNREACHABLE') });
    });

    it('verification cancel ends one that waits', async () => {
      const id = await given();
      const { stdout } = await cli(api, ['verify', id, '--reason', 'monthly', '--output', 'json']);
      const verificationId = String((JSON.parse(stdout) as { id: unknown }).id);
      const cancelled = await cli(api, ['verification', 'cancel', verificationId, '--reason', 'the storage is needed']);
      expect(cancelled.stdout).toMatch(/\n {2}state +not-run\n/);
      expect(await cli(api, ['verification', 'cancel', verificationId, '--reason', 'again'])).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('VERIFICATION_FINISHED'),
      });
      expect((await cli(api, ['verify', '--data-of', 'db01', '--reason', 'mended'])).stdout).toMatch(/\n {2}what +all data\n/);
      expect(await cli(api, ['verify', '--reason', 'x'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--data-of') });
      expect(await cli(api, ['verify', id, '--data-of', 'db01', '--reason', 'x'])).toMatchObject({ code: 2 });
      expect(await cli(api, ['verification', 'show', 'vrf_nothing'])).toMatchObject({ code: 3, stderr: expect.stringContaining('VERIFICATION_NOT_FOUND') });
    });
  });

  it('due-backup list shows what waits', async () => {
    await api.applyEstate(estate());
    const { code, stdout } = await cli(api, ['due-backup', 'list', '--state', 'waiting']);
    expect(code).toBe(0);
    expect(stdout).toBe('SERVER  KIND  POLICY  CAUSE  DUE  NOT BEFORE  STATE  MISSED  RUN  WAITS FOR\n');
  });
});
