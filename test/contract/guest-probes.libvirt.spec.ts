import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { MarkerType } from '../../src/contracts/marker';
import type { MarkerReading, MarkerSpec, ProbeSpec, Profile } from '../../src/contracts/profile';
import { fillIn } from '../../src/probes/fill-in';
import type { ProbeTarget } from '../../src/probes/probe';
import { readMarker, readMarkers } from '../../src/probes/read-markers';
import { openGuestDataLab, type GuestDataLab } from '../support/guest-data-lab';
import { untilItWorks } from '../support/postgresql-lab';

jest.setTimeout(240_000);

const marker = (type: MarkerType, probe: ProbeSpec, timeoutSeconds = 20): MarkerSpec => ({
  name: 'marker',
  type,
  of: 'server',
  probe,
  timeoutSeconds,
  isCaptured: true,
});
const query = (text: string, change: Partial<Extract<ProbeSpec, { kind: 'sql' }>> = {}): ProbeSpec => ({
  kind: 'sql',
  engine: 'postgresql',
  database: 'shop',
  user: 'postgres',
  query: text,
  ...change,
});
const valueOf = (reading: MarkerReading): string => {
  if (reading.state !== 'read') throw new Error(`${reading.code}: ${reading.message}`);
  return reading.value;
};

describe('probes in a guest', () => {
  let lab: GuestDataLab;
  let target: ProbeTarget;
  const read = (type: MarkerType, probe: ProbeSpec, timeoutSeconds?: number): Promise<MarkerReading> => readMarker(marker(type, probe, timeoutSeconds), target);
  const sql = (text: string): Promise<string> => lab.sh('exec psql -XAtq -U postgres -d shop -c "$1"', text);

  beforeAll(async () => {
    lab = await openGuestDataLab('probes');
    target = { agent: lab.agent, address: null, facts: {}, now: () => new Date() };
    await untilItWorks(() => sql('SELECT 1'));
  });
  afterAll(() => lab?.close());

  describe('that run a program', () => {
    it('read what it prints, as it gets its arguments, and as whom it should run', async () => {
      expect(valueOf(await read('text', { kind: 'command', argv: ['printf', '%s', '$(id) ; "x" `y` ${HOME}'] }))).toBe('$(id) ; "x" `y` ${HOME}');
      expect(valueOf(await read('counter', { kind: 'command', argv: ['id', '-u'] }))).toBe('0');
      expect(valueOf(await read('counter', { kind: 'command', argv: ['id', '-u'], user: 'postgres' }))).toBe('105');
    });

    it.each([
      [
        'ends badly',
        ['sh', '-c', 'echo "of \u001b[31mno use" >&2; exit 3'],
        'text',
        'PROBE_FAILED',
        /^sh in the guest ended with exit code 3: of \[31mno use$/,
      ],
      ['is not there', ['no-such-program'], 'text', 'GUEST_PROGRAM_MISSING', /no-such-program/],
      ['prints nothing', ['true'], 'text', 'MARKER_UNREADABLE', /it is empty/],
      ['prints what is no text', ['printf', '\\377\\376'], 'text', 'MARKER_UNREADABLE', /UTF-8/],
      ['prints too much', ['dd', 'if=/dev/zero', 'bs=65537', 'count=1', 'status=none'], 'text', 'PROBE_OUTPUT_TOO_LARGE', /64 KiB/],
      ['is killed', ['sh', '-c', 'kill -KILL $$'], 'text', 'PROBE_FAILED', /was killed, not by its time/],
    ] as const)('fail when it %s', async (_what, argv, type, code, words) => {
      expect(await read(type, { kind: 'command', argv })).toMatchObject({ state: 'failed', code, message: expect.stringMatching(words) });
    });

    it('say what time it is there', async () => {
      const reading = await read('timestamp', { kind: 'fact', fact: 'clock' });
      expect(Math.abs(Date.parse(valueOf(reading)) - Date.now())).toBeLessThan(60_000);
    });

    it('fail for an account that is not there', async () => {
      expect(await read('text', { kind: 'command', argv: ['id'], user: 'nobody-here' })).toMatchObject({ code: 'PROBE_FAILED', message: /no account/ });
    });

    it('end it, and what it has started, when its time is over', async () => {
      const startedAt = performance.now();
      expect(await read('text', { kind: 'command', argv: ['sh', '-c', 'sleep 4712 & sleep 4712'] }, 2)).toMatchObject({ code: 'PROBE_TIMED_OUT' });
      expect(performance.now() - startedAt).toBeLessThan(6_000);
      expect(await lab.sh("ps -eo args | grep -c '^sleep 4712' || true")).toBe('0\n');
    });
  });

  describe('that ask PostgreSQL', () => {
    it('read the first column, a row a line', async () => {
      expect(valueOf(await read('lsn', query('SELECT pg_current_wal_lsn();')))).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
      expect(valueOf(await read('counter', query('SELECT system_identifier, 1 FROM pg_control_system()')))).toMatch(/^\d{15,}$/);
      expect(valueOf(await read('set', query("SELECT n || ' of 3', 'other' FROM generate_series(1, 3) AS n")))).toBe('1 of 3\n2 of 3\n3 of 3');
      expect(valueOf(await read('boolean', query('SELECT pg_is_in_recovery()')))).toBe('false');
      expect(valueOf(await read('timestamp', query("SELECT timestamptz '2026-03-01 12:00:00+09'")))).toBe('2026-03-01T03:00:00Z');
      expect(valueOf(await read('text', query("SELECT E'one\\n  two'")))).toBe('one\n  two');
      expect(valueOf(await read('text', query("SELECT E'1\\x1f2'")))).toBe('1');
      expect(valueOf(await read('set', query('SELECT slot_name FROM pg_replication_slots')))).toBe('');
    });

    it('ask the server of the port that is declared', async () => {
      expect(valueOf(await read('text', query('SELECT current_setting($$port$$)', { port: '5432' })))).toBe('5432');
      expect(await read('text', query('SELECT 1', { port: '5433' }))).toMatchObject({
        code: 'PROBE_FAILED',
        message: expect.stringContaining('.s.PGSQL.5433'),
      });
      expect(await read('text', query('SELECT 1', { port: '0' }))).toMatchObject({ code: 'PROBE_INVALID' });
    });

    it('fail for NULL, and for what is no query', async () => {
      expect(await read('lsn', query('SELECT pg_last_wal_receive_lsn()'))).toMatchObject({ code: 'MARKER_UNREADABLE' });
      expect(await read('text', query('SELECT nothing'))).toMatchObject({ code: 'PROBE_FAILED', message: expect.stringMatching(/exit code 1: .*42703/) });
      expect(await read('text', query('SELECT 1', { database: 'dbname=shop' }))).toMatchObject({
        message: expect.stringContaining('"dbname=shop" does not exist'),
      });
      expect(await read('text', query('SELECT 1', { user: 'nobody-here' }))).toMatchObject({
        code: 'PROBE_FAILED',
        message: expect.stringContaining('nobody-here'),
      });
    });

    it('read every marker that the profile of replication declares', async () => {
      const { markers } = parse(readFileSync(join(__dirname, '../../profiles/postgresql-replication.yaml'), 'utf8')) as Pick<Profile, 'markers'>;
      const specs = markers.map((spec) => fillIn({ ...spec, timeoutSeconds: 20 }, { database: 'shop', user: 'postgres', port: '5432' }));
      const readings = await readMarkers(specs, target, { concurrency: 2, deadlineMs: 60_000 });
      const values = Object.fromEntries(specs.map(({ name }, index) => [name, valueOf(readings[index] as MarkerReading)]));
      expect(values).toMatchObject({ timelines: '1', 'system-identifier': expect.stringMatching(/^\d{15,}$/) });
      expect(Object.keys(values)).toHaveLength(markers.length);
    });

    it('write nothing', async () => {
      await sql('CREATE TABLE written (n integer); CREATE FUNCTION writes() RETURNS integer LANGUAGE sql AS $$INSERT INTO written VALUES (1) RETURNING n$$');
      for (const text of [
        'INSERT INTO written VALUES (2) RETURNING n',
        'SELECT writes()',
        "WITH off AS (SELECT set_config('transaction_read_only', 'off', true)) INSERT INTO written SELECT 3 FROM off RETURNING n",
        'DROP TABLE written',
      ]) {
        expect(await read('counter', query(text))).toMatchObject({ code: 'PROBE_FAILED', message: expect.stringMatching(/25006|25001/) });
      }
      for (const text of ['BEGIN READ WRITE; INSERT INTO written VALUES (4); COMMIT', '\\! touch /tmp/written', ' ; ']) {
        expect(await read('counter', query(text))).toMatchObject({ code: 'PROBE_INVALID' });
      }
      expect(await sql('SELECT count(*) FROM written')).toBe('0\n');
      expect(await lab.sh('ls /tmp')).not.toContain('written');
    });

    it('end a query that hangs, in the server too', async () => {
      const startedAt = performance.now();
      expect(await read('text', query('SELECT 4713, pg_sleep(4713)'), 2)).toMatchObject({ code: 'PROBE_TIMED_OUT' });
      expect(performance.now() - startedAt).toBeLessThan(6_000);
      expect(await sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || 'pg_sleep(4713)' AND state = 'active' AND pid <> pg_backend_pid()")).toBe(
        '0\n',
      );
      expect(await lab.sh("ps -eo args | grep -c '^psql' || true")).toBe('0\n');
    });

    it('say so where the server does not run', async () => {
      expect(await read('text', query('SELECT 1', { engine: 'mysql' }))).toMatchObject({
        code: 'GUEST_PROGRAM_MISSING',
        message: expect.stringContaining('mariadb'),
      });
    });

    it('are several at one time, in their order', async () => {
      const specs = Array.from({ length: 12 }, (_, n) => marker('counter', query(`SELECT ${n}`)));
      const readings = await readMarkers(specs, target, { concurrency: 4, deadlineMs: 120_000 });
      expect(readings.map(valueOf)).toEqual(specs.map((_, n) => String(n)));
    });
  });
});
