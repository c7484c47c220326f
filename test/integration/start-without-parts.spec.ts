import { join } from 'node:path';
import { ensurePayloadKeys } from '../../src/temporal/payload-keys';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { eventually, TestState, UpProcess, type Outcome } from '../support/up-process';

jest.setTimeout(180_000);

/** Nobody listens on port 1. What `modosu up` says is in up.spec.ts, what `modosu doctor` says in doctor.spec.ts. */
const NOBODY = '127.0.0.1:1';
const PASSWORD = 'correct-horse-battery';

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly code?: string;
  readonly hint?: string;
}

const fatalOf = ({ stderr }: Outcome): LogLine => JSON.parse(stderr.trim().split('\n').at(-1) ?? '{}') as LogLine;

describe('a role that is started by itself while a part is down', () => {
  let postgres: TestPostgres;
  let state: TestState;
  let addresses: Readonly<Record<string, string>>;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    state = new TestState();
    const keys = join(state.directory, 'payload-keys.json');
    await ensurePayloadKeys(keys, new Date());
    addresses = { MODOSU_DATABASE_URL: postgres.appUrl, MODOSU_TEMPORAL_ADDRESS: NOBODY, MODOSU_PAYLOAD_KEYS_FILE: keys, MODOSU_API_PORT: '0' };
  });
  afterAll(async () => {
    await state.remove();
    await postgres.stop();
  });

  it.each(['api', 'worker'])('PostgreSQL, `modosu %s`: ends with what to do and without the password', async (role) => {
    const outcome = await state.run([role], { ...addresses, MODOSU_DATABASE_URL: `postgres://modosu_app:${PASSWORD}@${NOBODY}/modosu` });
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(fatalOf(outcome)).toMatchObject({ code: 'CATALOG_UNAVAILABLE', hint: expect.stringContaining('MODOSU_DATABASE_URL') as string });
    expect(outcome.stderr).not.toContain(PASSWORD);
  });

  it('Temporal, `modosu worker`: ends with what to do', async () => {
    const outcome = await state.run(['worker'], addresses);
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(fatalOf(outcome)).toMatchObject({
      code: 'TEMPORAL_UNAVAILABLE',
      msg: expect.stringContaining(NOBODY) as string,
      hint: expect.stringContaining('MODOSU_TEMPORAL_ADDRESS') as string,
    });
  });

  it('Temporal, `modosu api`: serves what PostgreSQL knows', async () => {
    const api = new UpProcess({ MODOSU_STATE_DIR: state.directory, ...addresses }, ['api']);
    try {
      const log = await eventually(
        () => api.stderr,
        (text) => text.includes('API is listening'),
      );
      const { url } = log
        .split('\n')
        .filter((line) => line.includes('API is listening'))
        .map((line) => JSON.parse(line) as { readonly url: string })[0] ?? { url: '' };
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      // Known to PostgreSQL alone: an unknown token is told from a missing one.
      const answer = await fetch(`${url}/v1/servers`, { headers: { authorization: 'Bearer mds_nobody' } });
      expect({ status: answer.status, code: ((await answer.json()) as { readonly code: string }).code }).toEqual({ status: 401, code: 'TOKEN_INVALID' });
    } finally {
      await api.end();
    }
  });
});
