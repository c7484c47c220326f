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
    expect(stdout).toContain(
      'create  policy     daily\n          timeZone: Europe/Berlin\n          image: every sunday at 01:00, online, up to 13 incrementals, keeps last 1\n',
    );
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
      /^Policy daily\n {2}time zone +Europe\/Berlin\n {2}servers +db01\n {2}verification +within 24 h, every 30 days\n {2}RTO +60 min\n {2}images +every sunday at 01:00, online, up to 13 incrementals\n +RPO 192 h\n +keeps last 1\n/,
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
    expect(bad.stdout).toMatch(/\ndb01 +daily +image +NONE +- +8 d +\d{4}-.* NO_RECOVERY_POINT$/m);
    await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer('db01')), 'main');
    const good = await cli(api, ['status']);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/^All servers are protected as promised \(/);
    expect(good.stdout).toMatch(/\ndb01 +daily +image +(59|60|1 h).* old +on site only +8 d +\d{4}-.* ok$/m);
    expect((await cli(api, ['status', '--breaches'])).stdout).not.toContain('db01');
  });

  it('status of a server without a policy is a breach, and json says the same', async () => {
    await api.applyEstate();
    const { code, stdout } = await cli(api, ['status', '--output', 'json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ isProtected: false, servers: [{ serverName: 'db01', breaches: [{ code: 'NO_POLICY' }] }] });
  });

  it('retention preview says what others build on; recovery-point list and show say which are fulls, and what an incremental builds on', async () => {
    await api.applyEstate(estate());
    const server = await api.catalog.getServer('db01');
    const full = manifestOf(server, 1);
    const first = { ...manifestOf(server, 2), parentId: full.recoveryPointId };
    const second = { ...manifestOf(server, 3), parentId: first.recoveryPointId };
    for (const manifest of [full, first, second]) await api.catalog.recordRecoveryPoint(manifest, 'main');
    const { stdout } = await cli(api, ['retention', 'preview', 'db01']);
    expect(stdout).toMatch(/^db01, policy daily: 3 stay, 0 would go\.\n/);
    expect(stdout).toMatch(new RegExp(`${full.recoveryPointId} +image +.* keep +parent \\(${first.recoveryPointId} builds on it\\)`));
    const listed = (await cli(api, ['recovery-point', 'list'])).stdout;
    expect(listed).toMatch(new RegExp(`^${full.recoveryPointId} +db01 +image +generation 1, full +`, 'm'));
    expect(listed).toMatch(new RegExp(`^${second.recoveryPointId} +db01 +image +generation 3, builds on 2 +`, 'm'));
    expect((await cli(api, ['recovery-point', 'list', '--limit', '1'])).stdout).toMatch(/ +generation 3, incremental +/);
    expect((await cli(api, ['recovery-point', 'show', full.recoveryPointId])).stdout).toMatch(/\n {2}holds +all of its disks: a full\n {2}consistency /);
    expect((await cli(api, ['recovery-point', 'show', second.recoveryPointId])).stdout).toMatch(
      new RegExp(`\n {2}holds +what has changed: an incremental\n {2}builds on +${first.recoveryPointId}\n`),
    );
    await api.catalog.markRecoveryPoint(full.recoveryPointId, 'damaged', 'segment 3 differs');
    expect((await cli(api, ['recovery-point', 'show', second.recoveryPointId])).stdout).toContain(
      `It builds on recovery point ${full.recoveryPointId}, which is damaged: segment 3 differs`,
    );
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
    await api.catalog.retireRecoveryPoints(0, () => true);
    expect((await cli(api, ['retention', 'preview', 'db01', '--expire-only'])).stdout).toMatch(/ expire +no rule keeps it; it has expired at \S+ \S+\n$/);
    expect((await cli(api, ['recovery-point', 'show', old.recoveryPointId])).stdout).toMatch(
      /\n {2}state +expired at \S+ \S+: no rule keeps it; it is deleted after \S+ \S+; `modosu recovery-point hold rp_\S+ --reason TEXT` has it back\n/,
    );
    expect((await cli(api, ['recovery-point', 'list', '--state', 'expired'])).stdout).toContain(old.recoveryPointId);
    const plan = await cli(api, ['restore', 'plan', 'db01', '--scenario', 'server', '--recovery-point', old.recoveryPointId]);
    expect(plan).toMatchObject({ code: 1, stderr: expect.stringContaining('modosu recovery-point hold') });
    await api.catalog.retireRecoveryPoints(0, () => true);
    expect((await cli(api, ['recovery-point', 'list'])).stdout).not.toContain(old.recoveryPointId);
    expect((await cli(api, ['recovery-point', 'list', '--state', 'deleted'])).stdout).toContain(old.recoveryPointId);
    expect((await cli(api, ['recovery-point', 'show', old.recoveryPointId])).stdout).toMatch(/\n {2}state +deleted at \S+ \S+\n/);
    expect(await cli(api, ['recovery-point', 'list', '--state', 'lost'])).toMatchObject({ code: 2 });
    expect(await cli(api, ['recovery-point', 'hold', old.recoveryPointId])).toMatchObject({ code: 2 });
  });

  describe('decommissioning', () => {
    const decommission = (...more: readonly string[]) =>
      cli(api, ['server', 'decommission', 'db01', '--confirm', 'db01', '--reason', 'replaced by db02', ...more]);
    beforeEach(() => api.applyEstate(estate()));

    it('server decommission says what follows; list, show, status and retention preview say it, too', async () => {
      await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer('db01')), 'main');
      const { code, stdout, stderr } = await decommission();
      expect(code).toBe(0);
      const card =
        /\n {2}state +DECOMMISSIONED by \S+ at \S+ \S+: replaced by db02\n +nothing backs it up; what is left of it is protected until \S+ \S+ \(90 days\), then no rule keeps it\n/;
      expect(stdout).toMatch(card);
      expect(stderr).toContain('Decommissioned. What stays, and why: `modosu retention preview db01`');
      expect((await cli(api, ['server', 'list'])).stdout).toMatch(/\ndb01 +decommissioned +srv_/);
      expect((await cli(api, ['server', 'show', 'db01'])).stdout).toMatch(card);
      const status = await cli(api, ['status']);
      expect(status.code).toBe(0);
      expect(status.stdout).toMatch(/^All servers are protected as promised \(.*\n1 server is decommissioned, and not judged: `modosu server list`\.\n/);
      const preview = await cli(api, ['retention', 'preview', 'db01']);
      expect(preview.stdout).toMatch(
        /^db01, policy daily: 1 stay, 0 would go\.\nDecommissioned by \S+ at \S+ \S+: replaced by db02\. Until \S+ \S+ they stay as long as those of a server in service; from then on no rule keeps any of them\.\n/,
      );
      expect(preview.stdout).toContain('because the server is decommissioned)');
      const json = JSON.parse((await cli(api, ['server', 'show', 'db01', '--output', 'json'])).stdout) as object;
      expect(json).toMatchObject({ decommissioned: { reason: 'replaced by db02', keepDays: 90 } });
      const yaml = parse((await cli(api, ['server', 'list', '--output', 'yaml'])).stdout) as object;
      expect(yaml).toMatchObject([{ name: 'db01', decommissioned: { keepDays: 90 } }]);
    });

    it('retention preview says when its time is over', async () => {
      const manifest = manifestOf(await api.catalog.getServer('db01'));
      await api.catalog.recordRecoveryPoint(manifest, 'main');
      api.clockOffsetMs = -2 * 86_400_000;
      await decommission('--keep-days', '1');
      const { stdout } = await cli(api, ['retention', 'preview', 'db01']);
      expect(stdout).toMatch(
        /^db01, policy daily: 0 stay, 1 would go\.\n.* Since \S+ \S+ no rule keeps any of them; what is held, in use, or needed by such a one stays\.\n/,
      );
      expect(stdout).toMatch(new RegExp(`${manifest.recoveryPointId} .* expire +no rule keeps it, because the server is decommissioned\n`));
    });

    it('backup of it is a conflict with what to do, and server recommission takes it back', async () => {
      await decommission('--keep-days', '36500');
      expect(await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x'])).toMatchObject({
        code: 5,
        stderr: expect.stringMatching(/SERVER_DECOMMISSIONED: .*replaced by db02[^]*`modosu server recommission db01 --reason TEXT`/) as string,
      });
      const back = await cli(api, ['server', 'recommission', 'db01', '--reason', 'db02 is not ready']);
      expect(back).toMatchObject({ code: 0, stderr: expect.stringContaining('In service') });
      expect(back.stdout).toMatch(/\n {2}state +in service\n$/);
      expect((await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x'])).code).toBe(0);
      expect(await decommission()).toMatchObject({ code: 5, stderr: expect.stringContaining('SERVER_BUSY') });
    });

    it.each<[string, readonly string[], number, string]>([
      ['another name typed', ['decommission', 'db01', '--confirm', 'db02', '--reason', 'x'], 2, 'CONFIRMATION_MISMATCH'],
      ['no name typed', ['decommission', 'db01', '--reason', 'x'], 2, '--confirm'],
      ['no reason', ['decommission', 'db01', '--confirm', 'db01'], 2, '--reason'],
      ['no days', ['decommission', 'db01', '--confirm', 'db01', '--reason', 'x', '--keep-days', '0'], 2, 'from 1 to 36500'],
      ['too many days', ['decommission', 'db01', '--confirm', 'db01', '--reason', 'x', '--keep-days', '36501'], 2, 'from 1 to 36500'],
      ['days that are no number', ['decommission', 'db01', '--confirm', 'db01', '--reason', 'x', '--keep-days', '1e3'], 2, 'from 1 to 36500'],
      ['a server nobody knows', ['decommission', 'db02', '--confirm', 'db02', '--reason', 'x'], 3, 'SERVER_NOT_FOUND'],
      ['a server nobody knows, to be taken back', ['recommission', 'db02', '--reason', 'x'], 3, 'SERVER_NOT_FOUND'],
    ])('is refused with %s', async (_what, words, code, says) => {
      expect(await cli(api, ['server', ...words])).toMatchObject({ code, stderr: expect.stringContaining(says) });
      expect((await api.catalog.getServer('db01')).decommissioned).toBeNull();
    });

    it('apply leaves it so, and says it although nothing changes', async () => {
      await apply(ESTATE_FILE);
      await decommission();
      const { code, stdout, stderr } = await apply(ESTATE_FILE);
      expect(code).toBe(0);
      expect(stderr).toContain('Nothing to change.');
      expect(stdout).toMatch(
        /^unchanged server +db01\n +hint: stays decommissioned \(by \S+ at \S+\): nothing backs it up; to change that: `modosu server recommission db01 --reason TEXT`\n3 unchanged\n$/,
      );
      expect((await api.catalog.getServer('db01')).decommissioned).not.toBeNull();
    });
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
    expect((await cli(api, ['alert', 'list', '--state', 'open'])).stdout).toBe(stdout);
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
      expect((await cli(api, ['verification', 'list', '--state', 'failed'])).stdout).toMatch(new RegExp(`\n${verificationId} .* segment 3 of vda differs\n$`));
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

    it('verify --boot and --boot-of have an image booted, and the cards say how that went', async () => {
      const id = await given();
      const { stdout } = await cli(api, ['verify', id, '--boot', '--reason', 'does it come up?', '--output', 'json']);
      const verificationId = String((JSON.parse(stdout) as { id: unknown }).id);
      expect((await cli(api, ['verify', '--boot-of', 'db01', '--reason', 'does it come up?'])).stdout).toContain(verificationId);
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(/\n {2}booted +never\n/);
      await api.catalog.startNextVerification('asked');
      const boot = { seconds: 41, checks: [{ name: 'web', evidence: 'exit code 0' }], notMade: ['port'] };
      await api.catalog.finishVerification(verificationId, { state: 'passed', error: null, boot });
      expect((await cli(api, ['verification', 'show', verificationId])).stdout).toMatch(
        /\n {2}how +boot\n.*\n {2}came up in +41 s\n {2}check web +exit code 0\n {2}not checked +port: not possible without a network\n/s,
      );
      expect((await cli(api, ['verification', 'list', '--state', 'passed'])).stdout).toMatch(/ boot +passed .* came up in 41 s\n$/);
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(/\n {2}booted +came up in 41 s at \S+ \S+\n/);
      await cli(api, ['verify', id, '--boot', '--reason', 'again']);
      const again = await api.catalog.startNextVerification('asked');
      const error = new ModosuError('AGENT_SILENT', 'no answer in 300 s').summary();
      await api.catalog.finishVerification(again?.verificationId ?? '', { state: 'failed', error });
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(
        /\n {2}booted +DID NOT COME UP at \S+ \S+ \(AGENT_SILENT: no answer in 300 s\)\n/,
      );
      expect(await cli(api, ['verify', '--data-of', 'db01', '--boot', '--reason', 'x'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--boot-of'),
      });
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
