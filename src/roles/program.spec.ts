import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = join(__dirname, '..', '..', 'bin', 'modosu');

describe('bin/modosu', () => {
  let directory: string;
  let checkout: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-bin-'));
    checkout = join(directory, 'checkout');
    mkdirSync(join(checkout, 'dist', 'src', 'roles'), { recursive: true });
    mkdirSync(join(directory, 'bin'));
    cpSync(PROGRAM, join(checkout, 'bin', 'modosu'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const started = (path: string): string => execFileSync(path, ['status'], { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  it('is started through a link in PATH, and through a link to that, as npm makes them', () => {
    writeFileSync(join(checkout, 'dist', 'src', 'roles', 'main.js'), "process.stdout.write(`${__dirname} ${process.argv.slice(2).join(' ')}`);");
    const said = `${join(checkout, 'dist', 'src', 'roles')} status`;
    symlinkSync(join(checkout, 'bin', 'modosu'), join(directory, 'bin', 'modosu'));
    symlinkSync('modosu', join(directory, 'bin', 'other'));
    expect([join(checkout, 'bin', 'modosu'), join(directory, 'bin', 'modosu'), join(directory, 'bin', 'other')].map(started)).toEqual([said, said, said]);
  });

  it('says in which checkout it is not built yet, also through a link', () => {
    symlinkSync(join(checkout, 'bin', 'modosu'), join(directory, 'bin', 'modosu'));
    expect(() => started(join(directory, 'bin', 'modosu'))).toThrow(`Run "npm run setup && npm run build" in ${checkout} first.`);
  });
});
