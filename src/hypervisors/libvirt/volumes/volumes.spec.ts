import { imageName, type ImageFile } from './disk-images';
import { newPathBeside, requireRunsOwnPath } from './volumes';

const RUN = 'run_01aaaaaaaaaaaaaaaaaaaaaaaa';
const EARLIER = 'run_01bbbbbbbbbbbbbbbbbbbbbbbb';

describe('newPathBeside', () => {
  it.each([
    ['/srv/db01.qcow2', `/srv/db01.qcow2.${RUN}`],
    [`/srv/db01.qcow2.${EARLIER}`, `/srv/db01.qcow2.${RUN}`],
    ['/srv/a b/戻す', `/srv/a b/戻す.${RUN}`],
    ['/srv/x.run_short', `/srv/x.run_short.${RUN}`],
  ])('%s', (path, expected) => {
    expect(newPathBeside(path, RUN)).toBe(expected);
  });

  it('cuts a name that would be too long, at a whole character, and keeps the suffix', () => {
    const name = newPathBeside(`/srv/${'戻'.repeat(80)}`, RUN).slice('/srv/'.length);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(name).toBe(`${'戻'.repeat(74)}.${RUN}`);
  });

  it.each(['relative', '/srv/../etc/x', '/srv//x', '/srv/x/', '/srv/x\0y', ''])('refuses %j', (path) => {
    expect(() => newPathBeside(path, RUN)).toThrow(expect.objectContaining({ code: 'PATH_NOT_ALLOWED' }));
  });
});

describe('requireRunsOwnPath', () => {
  it('accepts only names that end with the run', () => {
    expect(() => requireRunsOwnPath(`/srv/x.${RUN}`, RUN)).not.toThrow();
    for (const path of [`/srv/x.${EARLIER}`, `/srv/x.${RUN}/y`, `/srv/x${RUN}`, `/srv/.${RUN}`, `/srv/../x.${RUN}`, `x.${RUN}`, '/srv/x']) {
      expect(() => requireRunsOwnPath(path, RUN)).toThrow(expect.objectContaining({ code: 'PATH_NOT_ALLOWED' }));
    }
    expect(() => requireRunsOwnPath('/srv/x.qcow2', 'qcow2')).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
  });
});

describe('imageName', () => {
  it('spells out the chain to its end and lets no name break out', () => {
    const name = imageName([
      { path: '/a","driver":"x', format: 'qcow2' },
      { path: '/b\\', format: 'qcow2' },
    ]);
    expect(name.startsWith('json:{')).toBe(true);
    expect(JSON.parse(name.slice(5))).toEqual({
      driver: 'qcow2',
      file: { driver: 'file', filename: '/a","driver":"x' },
      // Whatever its header says.
      backing: { driver: 'qcow2', file: { driver: 'file', filename: '/b\\' }, backing: null },
    });
    expect(JSON.parse(imageName([{ path: '/c', format: 'raw' }]).slice(5))).toEqual({ driver: 'raw', file: { driver: 'file', filename: '/c' } });
  });

  it('of the longest chain there may be is no longer than an argument may be', () => {
    const file = (index: number): ImageFile => ({ path: `/srv/${'a'.repeat(120)}/${index}.qcow2`, format: 'qcow2' });
    expect(imageName([file(0), ...Array.from({ length: 255 }, (_, index) => file(index + 1))]).length).toBeLessThan(128 * 1024);
  });
});
