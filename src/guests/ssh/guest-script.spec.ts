import { spawnSync } from 'node:child_process';
import { between, fromBase64, outcomeScript, quotedWord, readScript, runScript, startScript } from './guest-script';

const ASKED = { mark: 'mark', uuid: '6f1c2f5e-4a3b-4c1d-8e9f-0a1b2c3d4e5f' };

describe('scripts for the shell of a guest', () => {
  it.each(['', 'plain', "it's", '"$(id)" `id` \\', 'a\nb', '戻す', "'''", '-n', '=END='])('quote %j so that a shell sees exactly that', (word) => {
    const { stdout } = spawnSync('sh', { input: `printf %s. ${quotedWord(word)}`, encoding: 'utf8' });
    expect(stdout).toBe(`${word}.`);
  });

  it('hold what a program is started with only as base64, whatever stands in it', () => {
    const [secret, input] = ["x'; touch /tmp/x #\n=END=\n", '=END=\nmain\nexit'];
    for (const script of [
      startScript(ASKED, { argv: ['restic'], env: { RESTIC_PASSWORD: secret }, input }),
      runScript(ASKED, { argv: ['restic'], env: { RESTIC_PASSWORD: secret }, input }, 10),
    ]) {
      expect(script).not.toContain('touch');
      expect(script).not.toContain(input);
      expect(spawnSync('sh', ['-n'], { input: script }).status).toBe(0);
    }
  });

  it('do nothing when they arrive cut off', () => {
    const script = readScript(ASKED, '/etc/hostname', 10);
    for (let length = 0; length < script.indexOf('main <'); length += 7) {
      expect(spawnSync('sh', { input: script.slice(0, length), encoding: 'utf8' }).stdout).toBe('');
    }
  });

  it.each([
    ['a name of a variable that is none', () => startScript(ASKED, { argv: ['true'], env: { 'A=1; id;B': 'x' } })],
    ['a NUL in a word', () => startScript(ASKED, { argv: ['true', 'a\0b'] })],
    ['an input that is too long', () => runScript(ASKED, { argv: ['true'], input: Buffer.alloc(128 * 1024 + 1) }, 10)],
  ])('are not made with %s', (_what, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INTERNAL' }) as Error);
  });

  it('ask for a process by its number alone', () => {
    expect(outcomeScript(ASKED, 4711, 10)).toContain('d=$base/4711\n');
  });
});

describe('answers of the shell of a guest', () => {
  it('stand between marks: what a log-in says before is none, and what breaks off is no answer', () => {
    expect(between('m', 'Welcome\nm begin\nruns\nm end\n')).toEqual({ said: ['runs'], begun: true, complete: true });
    expect(between('m', 'm begin\nended 0 5 0\nZG9')).toEqual({ said: ['ended 0 5 0', 'ZG9'], begun: true, complete: false });
    expect(between('m', 'other begin\nruns\nother end\n')).toEqual({ said: [], begun: false, complete: false });
  });

  it('are base64 or nothing', () => {
    expect(fromBase64(['ZG9u', 'ZQ=='])?.toString()).toBe('done');
    expect(fromBase64([])?.length).toBe(0);
    expect(fromBase64(['ZG9u\u001b[2J'])).toBeNull();
  });
});
