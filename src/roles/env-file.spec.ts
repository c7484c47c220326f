import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withEnvFile } from './env-file';

describe('a file of variables', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-env-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const read = (text: string, env: Readonly<Record<string, string>> = {}): Promise<NodeJS.ProcessEnv> => {
    writeFileSync(join(directory, 'env'), text);
    return withEnvFile(env as NodeJS.ProcessEnv, join(directory, 'env'));
  };

  it('is read as systemd reads it, whole: half a secret would hide nothing', async () => {
    const text = `# of the service
; the same
MODOSU_PROFILES_DIR=/etc/modosu/profiles
  MODOSU_WEBHOOK_SECRET=correct horse #battery=staple
MODOSU_SMTP_URL="smtp://u:p'ss@mail"\r
EMPTY=
QUOTED=''
`;
    expect(await read(text)).toEqual({
      MODOSU_PROFILES_DIR: '/etc/modosu/profiles',
      MODOSU_WEBHOOK_SECRET: 'correct horse #battery=staple',
      MODOSU_SMTP_URL: "smtp://u:p'ss@mail",
      EMPTY: '',
      QUOTED: '',
    });
  });

  it('adds to the environment, which counts first', async () => {
    expect(await read('A=file\nB=file\nC=file', { A: 'typed', B: '' })).toEqual({ A: 'typed', B: 'file', C: 'file' });
    expect(await withEnvFile({ A: 'typed' } as NodeJS.ProcessEnv, null)).toEqual({ A: 'typed' });
  });

  it.each(['hunter2', 'export A=hunter2', 'A=hunter2\\', 'A="hunter2', 'A=hun"ter2"', 'A="hun"ter2"', '1A=hunter2', 'A =hunter2'])(
    'is refused, with the number of the line and not its text: %j',
    async (line) => {
      const error = await read(`OK=1\n${line}\n`).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('Line 2 of ') as string });
      expect((error as Error).message).not.toContain('hun');
    },
  );

  it('is refused where it is not there', async () => {
    await expect(withEnvFile({}, join(directory, 'none'))).rejects.toMatchObject({ code: 'CONFIG_INVALID', hint: 'Correct the path after --variables.' });
  });
});
