import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { DataRepository } from '../../src/repositories/data/data-repository';
import { DataLab, freePort } from '../support/data-lab';

jest.setTimeout(180_000);

const ID = 'ab'.repeat(32);
const SNAPSHOT = JSON.stringify({ id: ID, struct_type: 'snapshot' });
const node = (path: string): string => JSON.stringify({ type: 'file', path, size: 1, mode: 420, mtime: '2026-01-01T00:00:00Z', struct_type: 'node' });

/** A repository's contents were written by a guest, and restic only repeats them. Here a script stands for restic. */
describe('data repository: what a hostile repository may make restic say', () => {
  let lab: DataLab;
  let serverId: string;
  beforeAll(async () => {
    lab = await DataLab.start();
    serverId = newId('srv');
    await lab.repository.ensure(serverId);
  });
  afterAll(() => lab.dispose());

  let scripts = 0;
  const saying = (script: string, version = 'restic 0.14.0 compiled with go1.19.8 on linux/amd64'): DataRepository => {
    scripts += 1;
    const program = join(lab.directory, `restic-${scripts}`);
    writeFileSync(program, `#!/bin/sh\nif [ "$1" = version ]; then echo '${version}'; exit 0; fi\n${script}\n`);
    chmodSync(program, 0o755);
    return lab.repositoryAt(lab.server.url, { program });
  };
  const lines = (...text: readonly string[]): string => `cat <<'END'\n${text.join('\n')}\nEND`;
  const list = (repository: DataRepository, maxEntries = 10) => repository.list(serverId, ID, ['/srv'], { maxEntries });
  const corrupt = { code: 'RECOVERY_POINT_CORRUPT' };

  it.each([
    ['a file that lies elsewhere', lines(SNAPSHOT, node('/srv'), node('/etc/shadow'))],
    ['a file beside what was asked for', lines(SNAPSHOT, node('/srv'), node('/srv2'))],
    ['something that is not JSON', lines(SNAPSHOT, '<html>')],
    ['half a line', `printf '%s\\n%s' '${SNAPSHOT}' '{"type":"file","pa'`],
    ['a line without an end', `printf '%s\\n' '${SNAPSHOT}'; exec yes x | tr -d '\\n'`],
  ])('%s', async (_, script) => {
    await expect(list(saying(script))).rejects.toMatchObject(corrupt);
  });

  it('more files than anybody wants: it is ended', async () => {
    const endless = `echo '${SNAPSHOT}'; i=0; while :; do i=$((i+1)); echo '{"type":"file","path":"/srv/'$i'","mtime":"2026-01-01T00:00:00Z"}'; done`;
    await expect(list(saying(endless), 50)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('another snapshot than the one asked for', async () => {
    await expect(list(saying(lines(JSON.stringify({ id: 'cd'.repeat(32), struct_type: 'snapshot' }), node('/srv'))))).rejects.toMatchObject({
      code: 'RECOVERY_POINT_INCOMPLETE',
    });
  });

  it('a file that is longer, or shorter, than its directory says', async () => {
    const reading = (dumped: string) => saying(`case "$*" in *" ls "*) ${lines(SNAPSHOT, node('/srv'))}\n;; *) ${dumped} ;; esac`);
    for (const dumped of ['exec yes', 'true']) await expect(reading(dumped).read(serverId, ID, '/srv', { maxBytes: 10 })).rejects.toMatchObject(corrupt);
    await expect(reading('printf x').read(serverId, ID, '/srv', { maxBytes: 10 })).resolves.toEqual(Buffer.from('x'));
  });

  it('a failure after everything was printed is a failure; an unknown exit code too', async () => {
    for (const exitCode of [1, 3, 10, 99]) {
      await expect(list(saying(`${lines(SNAPSHOT, node('/srv'))}\nexit ${exitCode}`))).rejects.toMatchObject({ code: 'DATA_REPOSITORY_FAILED' });
    }
    await expect(list(saying(`${lines(SNAPSHOT, node('/srv'))}\nkill -9 $$`))).rejects.toMatchObject({ code: 'DATA_REPOSITORY_FAILED' });
  });

  it('a secret in its words stays there', async () => {
    const { secrets } = await lab.repository.access(serverId);
    const repository = saying(`echo "Fatal: $RESTIC_PASSWORD $RESTIC_REPOSITORY" >&2; exit 1`);
    const error = await list(repository).catch((thrown: unknown) => thrown as { readonly message: string });
    expect(error).toMatchObject({ code: 'DATA_REPOSITORY_FAILED', message: expect.stringContaining('Fatal: [redacted] rest:http://') as string });
    expect(secrets.filter((secret) => JSON.stringify(error).includes(secret) || ('message' in error && error.message.includes(secret)))).toEqual([]);
  });

  it('without restic, with one that is too old, and with something else of that name', async () => {
    const absent = lab.repositoryAt(lab.server.url, { program: 'restic-that-is-not-there' });
    await expect(absent.probe()).rejects.toMatchObject({ code: 'PROGRAM_MISSING', hint: expect.stringContaining('restic 0.14.0') as string });
    await expect(absent.snapshots(serverId, [])).rejects.toMatchObject({ code: 'PROGRAM_MISSING' });
    for (const version of ['restic 0.13.1 compiled with go1.18 on linux/amd64', 'rustic 0.9']) {
      await expect(saying('', version).snapshots(serverId, [])).rejects.toMatchObject({ code: 'RESTIC_UNSUPPORTED' });
    }
  });

  it('a server that knows no logins', async () => {
    const { createServer } = await import('node:http');
    const port = await freePort();
    const open = createServer((request, response) => {
      response.statusCode = request.url?.endsWith('/config') === true ? 404 : 500;
      response.end();
    });
    await new Promise<void>((resolve) => open.listen(port, '127.0.0.1', resolve));
    try {
      await expect(lab.repositoryAt(`http://127.0.0.1:${port}`).probe()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      open.removeAllListeners('request').on('request', (_, response) => response.writeHead(500).end());
      await expect(lab.repositoryAt(`http://127.0.0.1:${port}`).snapshots(serverId, [])).rejects.toMatchObject({
        code: 'DATA_REPOSITORY_UNREACHABLE',
        message: expect.stringContaining('500') as string,
      });
    } finally {
      await new Promise((resolve) => open.close(resolve));
    }
  });
});
