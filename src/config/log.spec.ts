import { ModosuError } from '../contracts/errors';
import { createLog } from './log';

const capture = () => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', role: 'test', destination: { write: (line: string) => void lines.push(line) } });
  return { log, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>, text: () => lines.join('') };
};

describe('log', () => {
  it('writes JSON lines with role, time and the ids of its children', () => {
    const { log, last } = capture();
    log.child({ runId: 'run_1', serverId: 'srv_1', step: 'copy:vda' }).info('copying');
    expect(last()).toMatchObject({ level: 'info', role: 'test', runId: 'run_1', serverId: 'srv_1', step: 'copy:vda', msg: 'copying' });
    expect(Date.parse(String(last().time))).not.toBeNaN();
  });

  it('removes secrets by field name', () => {
    const { log, text } = capture();
    log.info({ token: 'abc', headers: { authorization: 'Bearer abc' }, request: { headers: { authorization: 'abc' } }, config: { databaseUrl: 'abc' } }, 'x');
    expect(text()).not.toContain('abc');
  });

  it('removes passwords of URLs and bearer tokens from messages and errors', () => {
    const { log, text } = capture();
    log.error(
      { error: new Error('connect postgres://app:hunter2@db:5432/modosu failed') },
      'sent Bearer mod_12345 to http://u:hunter3@h/ and postgres://u:hun@hunter4@h/db',
    );
    expect(text()).not.toMatch(/hunter|mod_12345/);
    expect(text()).toContain('postgres://app:[redacted]@db:5432/modosu');
  });

  it('shows code, hint and causes of an error', () => {
    const { log, last } = capture();
    log.error({ error: new ModosuError('CATALOG_UNAVAILABLE', 'no answer', { cause: new Error('ECONNREFUSED') }) }, 'x');
    expect(last().error).toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
      message: 'no answer',
      hint: expect.stringContaining('PostgreSQL') as string,
      cause: { message: 'ECONNREFUSED' },
    });
  });
});
