import type { PostgresqlDataSet } from '../../contracts/data';
import { runNames } from '../../domain/postgresql/names';
import type { CommandResult, GuestAgent, GuestProgram } from '../guest-agent';
import { DatabaseServer, PREAMBLE } from './database-server';
import { GuestPrograms } from './guest-programs';

const DATA_SET: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'db',
  before: null,
  after: null,
  databases: ['shop'],
  user: 'postgres',
  osUser: null,
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/spool',
};

/** A database server whose guest notes what is run, and answers `answer`. */
function noting(answer: Partial<CommandResult> = {}): { readonly server: DatabaseServer; readonly ran: GuestProgram[] } {
  const ran: GuestProgram[] = [];
  const result = { exitCode: 0, stdout: '', stderr: '', truncated: false, ...answer };
  const agent = {
    exec: async (argv: GuestProgram['argv'], options: object) => (
      ran.push({ ...options, argv }),
      { ...result, exitCode: argv.includes('dd') ? 0 : result.exitCode }
    ),
    start: async (program: GuestProgram) => ran.push(program),
    outcome: async () => result,
  };
  return { ran, server: new DatabaseServer(new GuestPrograms(agent as unknown as GuestAgent, null), DATA_SET, runNames('run_01abcdefghjkmnpqrstvwxyz00')) };
}

describe('statements for a database server in a guest', () => {
  const LONG = `SELECT '${'注'.repeat(60_000)}';`;

  it('go to standard input while they are short, and through a file when they are longer than the agent takes', async () => {
    const { server, ran } = noting();
    await server.executeScript('shop', 'SELECT 1;', '/spool/work/x.sql', {});
    expect(ran.map(({ argv, input }) => [argv[0], input])).toEqual([['psql', `${PREAMBLE}SELECT 1;\n`]]);
    ran.length = 0;
    await server.executeScript('shop', LONG, '/spool/work/x.sql', { env: { ONLY: 'this' } });
    const pieces = ran.filter(({ argv }) => argv.includes('dd'));
    expect(Buffer.concat(pieces.map(({ input }) => Buffer.from(input ?? ''))).toString()).toBe(`${PREAMBLE}${LONG}\n`);
    expect(ran.at(-1)).toEqual({ argv: expect.arrayContaining(['psql', '-f', '/spool/work/x.sql']), env: { ONLY: 'this' } });
  });

  it.each(['SELECT 1;', LONG])('say in the words of the server what is wrong', async (sql) => {
    const { server } = noting({ exitCode: 3, stderr: 'psql:<stdin>:2: ERROR:  42P01: relation "x" does not exist\nLOCATION:  here' });
    await expect(server.executeScript('shop', sql, '/spool/work/x.sql', {})).rejects.toMatchObject({
      code: 'DATA_RESTORE_FAILED',
      context: { sqlState: '42P01' },
      message: expect.stringMatching(/relation "x" does not exist$/),
    });
  });

  it('are UTF-8 whatever the database is; a dump is left in its own encoding', () => {
    const { server } = noting();
    expect(server.env()).toMatchObject({ PGCLIENTENCODING: 'UTF8' });
    expect(server.envOfDump()).not.toHaveProperty('PGCLIENTENCODING');
  });
});
