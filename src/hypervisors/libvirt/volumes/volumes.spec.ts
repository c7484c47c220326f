import { imageOptions } from './disk-images';
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

describe('imageOptions', () => {
  it('spells out the chain and lets no name break out', () => {
    expect(
      imageOptions([
        { path: '/a,driver=x', format: 'qcow2' },
        { path: '/b=1', format: 'raw' },
      ]),
    ).toBe('driver=qcow2,file.driver=file,file.filename=/a,,driver=x,backing.driver=raw,backing.file.driver=file,backing.file.filename=/b=1');
  });
});
