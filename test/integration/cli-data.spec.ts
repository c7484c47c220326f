import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModosuError } from '../../src/contracts/errors';
import type { DataSurvey, Finding } from '../../src/contracts/plan';
import { ApiHarness } from './api-harness';
import { cli, type CliResult } from './cli-harness';
import { DATA_ESTATE, dataManifestOf, doneDataRestore, hoursAgo, makeDataPlan, makeDataUndoPlan, seedData, SHOP, type Seeded, UPLOADS } from './data-harness';

const PLAN = ['restore', 'plan', 'db01', '--scenario', 'data'];
const TABLES = [...PLAN, '--data-set', 'shop', '--table', 'orders'];
const MIB = 1024 * 1024;

/** What is asked about data, from the command line. */
describe('modosu, data', () => {
  let api: ApiHarness;
  let seeded: Seeded;

  beforeEach(async () => {
    api = await ApiHarness.start();
    seeded = await seedData(api);
  });

  afterEach(async () => api.close());

  const planWith = (survey: Partial<DataSurvey> = {}): void => {
    api.runStarter.onPlan = async ({ input: { planId } }) => void setTimeout(() => void makeDataPlan(api, planId, survey), 20);
  };
  const asked = (): unknown => api.runStarter.plans.at(-1)?.input;
  const planId = (): string => api.runStarter.plans.at(-1)?.input.planId ?? '';
  const usage = (words: string): CliResult => ({ code: 2, stdout: '', stderr: expect.stringMatching(new RegExp(`^error: USAGE: .*${words}`)) as string });

  describe('backup data', () => {
    it('saves all data sets, or named ones, and says how to follow the run', async () => {
      const { code, stdout, stderr } = await cli(api, ['backup', 'data', 'db01', '--reason', 'nightly']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const runId = api.runStarter.runs[0]?.input.runId ?? '';
      expect(stdout).toMatch(/^ {2}kind +backup-data$/m);
      expect(stdout).toContain(`modosu run watch ${runId}`);
      await api.catalog.finishRun(runId, { state: 'succeeded', error: null });
      await cli(api, ['backup', 'data', 'db01', '--data-set', 'shop', '--data-set', 'uploads', '--reason', 'x']);
      expect(api.runStarter.runs).toMatchObject([
        { input: { items: [{}, {}, {}] } },
        { input: { items: [{ dataSet: { name: 'uploads' } }, { dataSet: { name: 'shop' } }] } },
      ]);
    });

    it('of an unknown data set, or of a server without any: exit code 3', async () => {
      expect(await cli(api, ['backup', 'data', 'db01', '--data-set', 'hr', '--reason', 'x'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/^error: DATA_SET_NOT_FOUND: .*declared are uploads, shop, ledgers[^\n]*\nhint: .*dataSets/) as string,
      });
      expect(await cli(api, ['backup', 'data', 'web01', '--reason', 'x'])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('none is declared') as string,
      });
      expect(await cli(api, ['backup', 'data', 'db02', '--reason', 'x'])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('SERVER_NOT_FOUND') as string,
      });
    });

    it('of a busy server: exit code 5 and the run that holds it', async () => {
      await cli(api, ['backup', 'data', 'db01', '--reason', 'x']);
      expect(await cli(api, ['backup', 'data', 'db01', '--reason', 'x'])).toMatchObject({
        code: 5,
        stdout: '',
        stderr: expect.stringMatching(/SERVER_BUSY: .*\nrun: {3}run_/) as string,
      });
    });

    it('--wait on one that fails: exit code 6', async () => {
      api.runStarter.onRun = async ({ input: { runId } }) =>
        void setTimeout(
          () =>
            void api.catalog
              .startRun(runId)
              .then(() => api.catalog.finishRun(runId, { state: 'failed', error: new ModosuError('DATA_INCOMPLETE', '/srv/x').summary() })),
          20,
        );
      expect(await cli(api, ['backup', 'data', 'db01', '--reason', 'x', '--wait'])).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('DATA_INCOMPLETE: /srv/x') as string,
      });
    });

    it.each(['', 'a\nb', 'x'.repeat(65)])('the data set %j is none: exit code 2', async (name) => {
      expect(await cli(api, ['backup', 'data', 'db01', '--data-set', name, '--reason', 'x'])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('dataSets[0]') as string,
      });
    });
  });

  describe('restore plan --scenario data', () => {
    it('asks for tables and schemas, as SQL writes their names', async () => {
      planWith();
      const { code } = await cli(api, [
        ...TABLES,
        '--table',
        'sales."Größe"',
        '--schema',
        'hr',
        '--replace',
        '--recovery-point',
        seeded.olderDump.id,
        '--incident-at',
        '2026-03-01T03:10:00+01:00',
      ]);
      expect(code).toBe(0);
      expect(asked()).toMatchObject({
        dataSet: 'shop',
        recoveryPointId: seeded.olderDump.id,
        incidentAt: '2026-03-01T02:10:00.000Z',
        selection: {
          kind: 'postgresql',
          database: 'shop',
          tables: [
            { schema: 'public', name: 'orders' },
            { schema: 'sales', name: 'Größe' },
          ],
          schemas: ['hr'],
          whole: false,
          replace: true,
        },
      });
    });

    it('asks for a table as it was before the incident', async () => {
      planWith();
      const incidentAt = hoursAgo(0.5);
      expect((await cli(api, [...TABLES, '--incident-at', incidentAt])).code).toBe(0);
      const tables = { selection: { tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false } };
      expect(asked()).toMatchObject({ ...tables, incidentAt });
    });

    it('asks to fetch from an off-site repository first what is not here', async () => {
      await api.applyEstate({ ...DATA_ESTATE, offsite: [{ name: 'vault', location: '/mnt/vault', media: 'fixed' }] });
      await cli(api, ['offsite', 'copy', seeded.dump.id, '--to', 'vault', '--reason', 'the move']);
      await api.catalog.recordOffsiteLook('vault', null);
      const transfer = (await api.catalog.startNextTransfer('asked'))?.transferId ?? '';
      await api.catalog.recordCopied(transfer, seeded.dump.id, { snapshotIds: ['s'], copiedAt: hoursAgo(0), sizeBytes: 70 });
      await api.catalog.finishTransfer(transfer, { state: 'succeeded', error: null });
      planWith();
      const { code, stderr } = await cli(api, [...TABLES, '--from', 'vault']);
      expect(code).toBe(0);
      expect(asked()).toMatchObject({ dataSet: 'shop', from: 'vault', recoveryPointId: null });
      expect(stderr).toContain('fetched from vault first');
    });

    it('asks for the whole database, or for files: some or all', async () => {
      planWith();
      await cli(api, [...PLAN, '--data-set', 'shop', '--whole']);
      expect(asked()).toMatchObject({ recoveryPointId: null, incidentAt: null, selection: { database: 'shop', whole: true, tables: [] } });
      await cli(api, [...PLAN, '--data-set', 'uploads', '--path', '/srv/uploads/a b', '--path', '/etc/app']);
      expect(asked()).toMatchObject({ selection: { kind: 'files', paths: ['/srv/uploads/a b', '/etc/app'], replace: false } });
      await cli(api, [...PLAN, '--data-set', 'uploads']);
      expect(asked()).toMatchObject({ selection: { kind: 'files', paths: [] } });
    });

    it.each(['orders"', 'a.b.c', ''])('the table %j is none: exit code 2', async (table) => {
      expect(await cli(api, [...PLAN, '--data-set', 'shop', '--table', table])).toMatchObject(usage('is not the name of a table|has too many parts'));
    });

    it.each([
      ["o'rders; DROP TABLE users", { schema: 'public', name: "o'rders; DROP TABLE users" }],
      ['"a""b"."$(id)"', { schema: 'a"b', name: '$(id)' }],
      ['--help', { schema: 'public', name: '--help' }],
    ])('the hostile table %j is a name and nothing else', async (table, name) => {
      planWith();
      expect((await cli(api, [...PLAN, '--data-set', 'shop', `--table=${table}`])).code).toBe(0);
      expect(asked()).toMatchObject({ selection: { tables: [name] } });
    });

    it.each([
      ['no data set', [...PLAN, '--table', 'orders'], 'Name the data set'],
      ['nothing of a database', [...PLAN, '--data-set', 'shop'], 'Say what is to come back'],
      ['tables and the whole', [...TABLES, '--whole'], 'Say what is to come back'],
      ['paths of a database', [...PLAN, '--data-set', 'shop', '--path', '/x'], 'holds databases'],
      ['tables of files', [...PLAN, '--data-set', 'uploads', '--table', 'a'], 'holds files'],
      ['paths and tables', [...TABLES, '--path', '/x'], '--path is for files'],
      ['one of several databases, none named', [...PLAN, '--data-set', 'ledgers', '--whole'], 'name one of them with --database: hr, crm'],
      ['a kept disk', [...TABLES, '--keep-disk', 'vdb'], '--keep-disk is for --scenario server'],
      ['an old disk', [...TABLES, '--attach-old-disk', 'vdb'], '--attach-old-disk is for --scenario server'],
      ['passwords that stay', [...TABLES, '--leave-credentials'], '--leave-credentials is for --scenario server'],
      ['the newest that peers accept', [...TABLES, '--find-compatible'], '--find-compatible is for --scenario server'],
      ['the image alone', [...TABLES, '--no-data'], '--no-data is for --scenario server'],
      ...(['--data-set', '--table', '--schema', '--database', '--path'] as const).map(
        (option) => [`${option} of a server`, ['restore', 'plan', 'db01', '--scenario', 'server', option, 'x'], `${option} is for --scenario data`] as const,
      ),
      ['--whole of a server', ['restore', 'plan', 'db01', '--scenario', 'server', '--whole'], '--whole is for --scenario data'],
      ['--replace of a server', ['restore', 'plan', 'db01', '--scenario', 'server', '--replace'], '--replace is for --scenario data'],
    ] as const)('with %s is a wrong usage: exit code 2, nothing is started', async (_what, argv, words) => {
      expect(await cli(api, argv)).toMatchObject(usage(words));
      expect(api.runStarter.plans).toEqual([]);
    });

    it.each([
      ['an incident that is no time', [...TABLES, '--incident-at', 'yesterday'], /incidentAt: must be a time like 2026-03-01T02:10:00Z/],
      [
        'an incident of a server that is no time',
        ['restore', 'plan', 'db01', '--scenario', 'server', '--incident-at', '2026-03-01'],
        /incidentAt: must be a time like/,
      ],
      ['a path with ..', [...PLAN, '--data-set', 'uploads', '--path', '/srv/uploads/../../etc'], /selection\.paths\[0\]: must not contain/],
      ['a relative path', [...PLAN, '--data-set', 'uploads', '--path', 'a'], /selection\.paths\[0\]: must be an absolute path/],
    ])('with %s: exit code 2, nothing is started', async (_what, argv, words) => {
      expect(await cli(api, argv)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(words) as string });
      expect(api.runStarter.plans).toEqual([]);
    });

    it('of an unknown data set, or one that was never backed up: exit code 3', async () => {
      expect(await cli(api, [...PLAN, '--data-set', 'hr', '--path', '/x'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringContaining('NO_RECOVERY_POINT') as string,
      });
      expect(await cli(api, [...PLAN, '--data-set', 'ledgers', '--database', 'hr', '--whole'])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('modosu backup data db01 --reason TEXT') as string,
      });
    });

    it('of a recovery point that cannot serve: exit codes 3 and 1', async () => {
      const { id } = await api.catalog.recordDataRecoveryPoint(dataManifestOf(seeded.other, SHOP, hoursAgo(1)));
      expect(await cli(api, [...TABLES, '--recovery-point', id])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('RECOVERY_POINT_NOT_FOUND') as string,
      });
      expect(await cli(api, [...TABLES, '--recovery-point', seeded.image.id])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('RECOVERY_POINT_NOT_USABLE') as string,
      });
      await api.catalog.markRecoveryPoint(seeded.dump.id, 'damaged', 'x');
      expect(await cli(api, [...TABLES, '--recovery-point', seeded.dump.id])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('RECOVERY_POINT_NOT_USABLE') as string,
      });
    });

    it('of what the recovery point does not hold: exit code 3, with what it holds', async () => {
      planWith();
      expect(await cli(api, [...PLAN, '--data-set', 'uploads', '--path', '/etc/shadow'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/DATA_NOT_IN_RECOVERY_POINT: .*does not hold \/etc\/shadow: it holds \/srv\/uploads, \/etc\/app/) as string,
      });
    });

    const CHANGES: DataSurvey['changes'] = [
      { effect: 'replaced', what: 'table public.orders', count: 1, bytes: 3 * MIB, examples: [], rows: { now: 90, then: 120 } },
      { effect: 'beside', what: 'table public.\u001b[2Jusers', count: 1, bytes: null, examples: ['a', 'b', 'c', 'd'], rows: { now: null, then: 7 } },
    ];
    const WARNING: Finding = { code: 'DATABASE_TABLE_IN_USE', severity: 'warn', message: 'somebody reads it', evidence: ['pid 7'] };

    it('prints what a responder reads before typing the name', async () => {
      planWith({ changes: CHANGES, findings: [WARNING], losses: ['30 rows of public.orders.'] });
      const incidentAt = hoursAgo(0.5);
      const { code, stdout, stderr } = await cli(api, [...TABLES, '--schema', 'hr', '--incident-at', incidentAt]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const { hash } = await api.catalog.getPlan(planId());
      expect(stdout).toMatch(/^Data restore plan plan_\w+\n\nInto this running server; compare before you go on\n {2}name +db01\n {2}UUID +[0-9a-f-]{36}\n/);
      expect(stdout).toMatch(/state now +running, guest agent answering\n/);
      expect(stdout).toMatch(
        new RegExp(
          `From this recovery point\n {2}id +${seeded.dump.id}\n {2}data set +shop: PostgreSQL shop; before: /usr/local/bin/flush "all of it"\n {2}point in time +\\S+ \\S+Z, (59 min|60 min|1 h).* ago\n {2}snapshot +e{64}\n {2}reason +nightly\n`,
        ),
      );
      expect(stdout).toMatch(
        /What comes back\n {2}selected +of the database shop:\n +table public\.orders\n +schema hr\n +tables that exist stay; these land beside, to compare\n/,
      );
      expect(stdout).toMatch(/Findings\n {2}WARNING {2}DATABASE_TABLE_IN_USE: somebody reads it\n {6}pid 7\n/);
      expect(stdout).toMatch(
        /EFFECT +WHAT +COUNT +SIZE +ROWS +SUCH AS\n {2}REPLACED +table public\.orders +1 +3 MiB +90 -> 120 *\n {2}beside +table public\.\[2Jusers +1 +- +\? -> 7 +a, b, c\n/,
      );
      expect(stdout).toContain('What goes back in time or is lost\n  - 30 rows of public.orders.\n');
      expect(stdout).toMatch(/lost \(RPO\) +30 min: from \S+ \S+Z to \S+ \S+Z\n {2}takes \(RTO\) +no estimate yet/);
      expect(stdout).toContain('Put missing tables in place; the others beside, to compare');
      expect(stdout).toContain(`Plan hash\n  ${hash ?? 'none'}\n`);
      expect(stdout).toContain(
        `Next\n  modosu restore run ${planId()} --reason "WHY" --confirm db01 --wait\n  what is replaced is kept: \`modosu run undo RUN\` brings it back`,
      );
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
      expect((await cli(api, ['restore', 'show', planId()])).stdout.replace(/\(?\d+ min \d+ s|\d+ min|1 h/g, '')).toBe(
        stdout.replace(/\(?\d+ min \d+ s|\d+ min|1 h/g, ''),
      );
    });

    it('says of files which come back, and whether those that differ are replaced', async () => {
      planWith();
      expect((await cli(api, [...PLAN, '--data-set', 'uploads'])).stdout).toMatch(
        /data set +uploads: files \/srv\/uploads, \/etc\/app without \*\.tmp\n[\s\S]*selected +everything of the data set\n +files that exist stay as they are\n[\s\S]*FILES_CHANGED_WHILE_READ: A file changed[\s\S]*What changes\n {2}nothing\n/,
      );
      const { stdout } = await cli(api, [...PLAN, '--data-set', 'uploads', '--path', '/srv/uploads/a', '--replace']);
      expect(stdout).toMatch(/selected +\/srv\/uploads\/a\n +files that differ are replaced\n/);
      expect(stdout).toContain('replace those that differ; what stood there is kept');
    });

    it('says of a whole database that it goes back', async () => {
      planWith();
      const { stdout } = await cli(api, [...PLAN, '--data-set', 'shop', '--whole']);
      expect(stdout).toMatch(/selected +the whole database shop\n/);
      expect(stdout).toContain('Swap the databases by renaming; the replaced one is kept');
    });

    it('says which credentials were valid then, and which are now', async () => {
      const then = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: null, problem: null };
      await api.catalog.recordDataRecoveryPoint(
        dataManifestOf(seeded.server, SHOP, hoursAgo(0.1), { version: 2, credentials: [then, { ...then, account: 'backup' }, { ...then, account: 'app' }] }),
      );
      const said = { current: { version: '8', createdAt: '2026-03-01T00:00:00.000Z' }, problem: null, remembered: 'there' as const };
      planWith({
        credentials: [
          { ...said, account: 'root' },
          { ...said, account: 'backup', current: { ...said.current, version: '7' } },
          { account: 'app', current: null, problem: 'SECRET_STORE_SEALED', remembered: null },
        ],
      });
      const { code, stdout } = await cli(api, TABLES);
      expect(code).toBe(0);
      expect(stdout).toMatch(/WARNING {2}CREDENTIAL_ROTATED: The password of "root" was changed since this recovery point: version "7" was valid then/);
      expect(stdout).toMatch(/WARNING {2}CREDENTIAL_UNKNOWN: Whether the password of "app" /);
      expect(stdout).toMatch(/Credentials\n {2}ACCOUNT .* CHANGED SINCE\n {2}root +vault +servers\/db01 +7 +8 +2026-03-01 00:00:00Z, .* ago +YES\n/);
      expect(stdout).toMatch(
        / {2}backup +vault +servers\/db01 +7 +7 +2026-03-01 .* no *\n {2}app +vault +servers\/db01 +7 +NOT KNOWN, SECRET_STORE_SEALED +- +NOT KNOWN\n/,
      );
      // Nobody has to acknowledge what is only said.
      expect(stdout).toMatch(/Next\n {2}modosu restore run \S+ --reason "WHY" --confirm db01 --wait\n/);
    });

    it('prints the plan as it is stored, for machines', async () => {
      planWith({ changes: CHANGES });
      const { code, stdout } = await cli(api, [...TABLES, '--output', 'json']);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        id: planId(),
        state: 'ready',
        scenario: 'data',
        body: {
          scenario: 'data',
          recoveryPoint: { id: seeded.dump.id, dataSet: SHOP },
          selection: { tables: [{ schema: 'public', name: 'orders' }] },
          changes: CHANGES,
        },
      });
      expect(JSON.parse((await cli(api, ['restore', 'show', planId(), '-o', 'json'])).stdout)).toEqual(JSON.parse(stdout));
    });

    it('with blocking findings: exit code 9, the plan is printed and cannot run', async () => {
      planWith({ findings: [{ code: 'GUEST_DISK_FULL', severity: 'block', message: 'needs 3 GiB', evidence: [] }] });
      const { code, stdout } = await cli(api, TABLES);
      expect(code).toBe(9);
      expect(stdout).toMatch(/BLOCKS {2}GUEST_DISK_FULL: needs 3 GiB/);
      expect(stdout).not.toMatch(/modosu restore run|modosu run undo/);
      expect((await cli(api, ['restore', 'run', planId(), '--reason', 'x', '--confirm', 'db01'])).code).toBe(9);
    });

    it('restore run takes no --hold, and says what was lost and how long it took', async () => {
      planWith();
      await cli(api, TABLES);
      const run = ['restore', 'run', planId(), '--reason', 'orders were deleted', '--confirm', 'db01'];
      expect(await cli(api, [...run, '--hold'])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/hold: is for restores of a server only: data is restored into the running server/) as string,
      });
      api.runStarter.onRun = async ({ input: { runId } }) =>
        void setTimeout(
          () =>
            void api.catalog
              .startRun(runId)
              .then(() => api.catalog.finishRun(runId, { state: 'succeeded', error: null, recoverySeconds: 42, lostSeconds: 3600 })),
          20,
        );
      const { code, stdout } = await cli(api, [...run, '--wait']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/kind +restore-data\n/);
      expect(stdout).toMatch(/recovery time +42 s, measured.*\n {2}lost +1 h.*, from the point in time to the incident\n/);
    });
  });

  describe('what a restore of data has kept', () => {
    it('is shown with the run and among the ways back', async () => {
      const runId = await doneDataRestore(api, seeded);
      const { stdout } = await cli(api, ['run', 'show', runId]);
      expect(stdout).toMatch(
        /Way back\n {2}state +open: the old data is kept\n {2}holds +4 MiB\n +data set shop, in the guest\n +replaced: public\.orders, their rows are kept in the schema kept_x\n {2}lives until +.* from now; then the old data is deleted\n/,
      );
      expect(stdout).not.toContain('volumes');
      expect(stdout).toMatch(new RegExp(`Next\n {2}undo +modosu run undo ${runId}\n {2}confirm +modosu run confirm ${runId} --reason "WHY"\n`));
      expect((await cli(api, ['way-back', 'list'])).stdout).toMatch(new RegExp(`^${runId} +db01 +open +4 MiB `, 'm'));
    });

    it('run undo shows a plan of data: what goes back, what is lost, no volumes', async () => {
      const runId = await doneDataRestore(api, seeded);
      api.runStarter.onPlan = async ({ input }) => void setTimeout(() => void makeDataUndoPlan(api, input.planId), 20);
      const { code, stdout, stderr } = await cli(api, ['run', 'undo', runId]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Undo plan plan_\w+\n\nThis server is put back; compare before you go on\n {2}name +db01\n/);
      expect(stdout).toMatch(new RegExp(`What is undone\n {2}run +${runId}\n {2}kind +restore-data\n {2}reason +orders were deleted\n`));
      expect(stdout).toMatch(/What would be lost\n {2}- Rows written to public\.orders since are kept aside\.\n/);
      expect(stdout).toMatch(
        /Data that goes back\n {2}data set +shop: PostgreSQL shop.*\n {2}kept +replaced: public\.orders, their rows are kept in the schema kept_x\n {2}EFFECT +WHAT .*\n {2}REPLACED +table public\.orders +1 +- +90 -> 120 *\n/,
      );
      expect(stdout).not.toMatch(/Volumes|generation id|What it returns to/);
      expect(stdout).toContain('Put back what the restore had replaced; what stands there now is kept');
      expect(stdout).toContain(`Next\n  modosu run undo ${runId} --plan ${planId()} --reason "WHY" --confirm db01 --wait`);
      expect(JSON.parse((await cli(api, ['restore', 'show', planId(), '-o', 'json'])).stdout)).toMatchObject({
        scenario: 'undo',
        body: { volumes: [], data: { record: { runId, dataSet: SHOP }, changes: [{ what: 'table public.orders' }] } },
      });
      await cli(api, ['run', 'undo', runId, '--plan', planId(), '--confirm', 'db01', '--reason', 'wrong table']);
      expect(api.runStarter.runs.at(-1)).toMatchObject({ kind: 'undo', input: { ofRunId: runId } });
    });
  });

  describe('inventory', () => {
    it('server show lists the data sets and the newest data of each', async () => {
      const { stdout } = await cli(api, ['server', 'show', 'db01']);
      expect(stdout).toMatch(
        /data sets +uploads: files \/srv\/uploads, \/etc\/app without \*\.tmp\n +shop: PostgreSQL shop; before: \/usr\/local\/bin\/flush "all of it"\n +ledgers: PostgreSQL hr, crm\n/,
      );
      expect(stdout).toMatch(new RegExp(`newest data +uploads: ${seeded.files.id}, .* old\n +shop: ${seeded.dump.id}, .* old\n +ledgers: NONE\n`));
      const without = (await cli(api, ['server', 'show', 'web01'])).stdout;
      expect(without).toMatch(/data sets +none\n/);
      expect(without).not.toContain('newest data');
      expect(JSON.parse((await cli(api, ['server', 'show', 'db01', '-o', 'json'])).stdout)).toMatchObject({
        protection: { dataSets: [UPLOADS, SHOP, {}] },
        newestData: [{ id: seeded.files.id }, { id: seeded.dump.id }],
      });
    });

    it('recovery-point list tells images and data apart', async () => {
      const { stdout } = await cli(api, ['recovery-point', 'list', '--server', 'db01']);
      expect(stdout).toMatch(new RegExp(`^${seeded.image.id} +db01 +image +generation 1, full .* offline +usable `, 'm'));
      expect(stdout).toMatch(new RegExp(`^${seeded.dump.id} +db01 +data +data set shop +\\S+ \\S+ +- +usable +unverified +- +300 MiB +nightly$`, 'm'));
    });

    it('recovery-point list and show say what was saved before a restore', async () => {
      const { id } = await api.catalog.recordDataRecoveryPoint(dataManifestOf(seeded.server, SHOP, hoursAgo(0.1), { purpose: 'safety' }));
      expect((await cli(api, ['recovery-point', 'list'])).stdout).toMatch(new RegExp(`^${id} +db01 +data +data set shop, before a restore `, 'm'));
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(/saved +before a restore: never chosen by itself, only by its id\n/);
      expect((await cli(api, ['recovery-point', 'show', seeded.dump.id])).stdout).not.toContain('before a restore');
    });

    it('recovery-point show says what a dump and what files hold', async () => {
      expect((await cli(api, ['recovery-point', 'show', seeded.dump.id])).stdout).toMatch(
        /kind +data\n[\s\S]*data set +shop: .*\n {2}snapshot +e{64}\n {2}added +7 MiB\n {2}engine +PostgreSQL 15\.18\n {2}databases +shop: 2 tables, 5500 rows, dump 300 MiB\n/,
      );
      expect((await cli(api, ['recovery-point', 'show', seeded.files.id])).stdout).toMatch(
        /paths +\/srv\/uploads\n +\/etc\/app\n {2}files +1234\n {2}changed while read +\/srv\/uploads\/a\.log: changed while it was read\n/,
      );
      expect(JSON.parse((await cli(api, ['recovery-point', 'show', seeded.files.id, '-o', 'json'])).stdout)).toEqual({ ...seeded.files, copies: [] });
    });

    it('recovery-point show says which credentials were valid', async () => {
      const root = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-03-01T00:00:00.000Z', problem: null };
      const sealed = { ...root, account: 'backup', version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' };
      const manifest = dataManifestOf(seeded.server, SHOP, hoursAgo(0.1), { version: 2, credentials: [root, sealed] });
      const { id } = await api.catalog.recordDataRecoveryPoint(manifest);
      expect((await cli(api, ['recovery-point', 'show', id])).stdout).toMatch(
        /Credentials that were valid\n.*\n {2}root +vault +servers\/db01 +7 +2026-03-01 00:00:00Z, .* ago\n {2}backup +vault +servers\/db01 +NOT KNOWN, SECRET_STORE_SEALED +- *\n/,
      );
      expect((await cli(api, ['recovery-point', 'show', seeded.dump.id])).stdout).not.toContain('Credentials');
    });

    it('apply shows data sets that are added, changed and removed', async () => {
      const path = join(api.directory, 'estate.yaml');
      await writeFile(
        path,
        `servers:
  - { name: db01, hypervisor: local, repository: main, dataSets: [{ name: uploads, kind: files, paths: [/srv/uploads] }] }
hypervisors: [{ name: local, kind: libvirt }]
repositories: [{ name: main, kind: directory, path: /srv/modosu }]
`,
      );
      const { code, stdout } = await cli(api, ['apply', '-f', path, '--dry-run']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^update {2}server {5}db01\n {10}.*data ?[sS]ets.*$/m);
    });
  });
});
