import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ResticCommand, roomTooSmall, type ResticTarget } from './restic-command';

/** A file system of the kernel's own: it has no room, ever. */
const FULL = '/proc';
const target: ResticTarget = {
  env: {},
  secrets: [],
  caCertificateFile: null,
  name: 'the off-site repository vault',
  context: {},
  canLock: true,
  codes: {
    locked: 'OFFSITE_LOCKED',
    'wrong-password': 'OFFSITE_CREDENTIALS_WRONG',
    'no-repository': 'OFFSITE_MISSING',
    unreachable: 'OFFSITE_UNREACHABLE',
    'no-space': 'NOT_ENOUGH_SPACE',
    damaged: 'RECOVERY_POINT_CORRUPT',
    'repository-damaged': 'OFFSITE_FAILED',
    'removal-refused': 'OFFSITE_DELETE_REFUSED',
    failed: 'OFFSITE_FAILED',
  },
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'modosu-restic-command-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A restic that goes on like this after its name has been asked for. */
const restic = (script: string): ResticCommand => {
  const program = join(directory, 'restic');
  writeFileSync(program, `#!/bin/sh\nif [ "$1" = version ]; then echo 'restic 0.14.0 compiled with go1.19.8 on linux/amd64'; exit; fi\n${script}\n`);
  chmodSync(program, 0o755);
  return new ResticCommand(program, 200, 20);
};

it('a restic that stands still where it writes, and has no room left there, is ended: there is no room', async () => {
  await expect(restic('exec sleep 60').run(target, ['backup', '.'], { isLong: true, fills: FULL })).rejects.toMatchObject({
    code: 'NOT_ENOUGH_SPACE',
    message: '`restic backup` in the off-site repository vault: it stood still, and only 0 B are free at /proc; make room there, what is stored stays usable',
    context: { outcome: 'no-space' },
  });
});

it('one that stands still where there is room goes on, and so does one of which nobody said where it writes', async () => {
  await expect(restic('exec sleep 1').run(target, ['backup', '.'], { isLong: true, fills: directory })).resolves.toMatchObject({ stdout: '' });
  await expect(restic('exec sleep 1').run(target, ['check'], { isLong: true })).resolves.toMatchObject({ stdout: '' });
});

it('one that moves where there is no room is not ended', async () => {
  const moving = restic('n=0; while [ $n -lt 100 ]; do read -r line < /proc/uptime; sleep 0.01; n=$((n+1)); done; echo moved');
  await expect(moving.run(target, ['prune'], { isLong: true, fills: FULL })).resolves.toMatchObject({ stdout: 'moved\n' });
});

it('what too little room is', async () => {
  expect(await roomTooSmall(FULL)).toBe(0);
  expect(await roomTooSmall(directory)).toBeNull();
  expect(await roomTooSmall(join(directory, 'is not there'))).toBeNull();
});
