import { sha256Of } from '../../system/sha256';
import { headOf, linesOf, splitHeads } from './fact-files';
import { parseHashes } from './parse-hashes';
import { parseMounts } from './parse-mounts';
import { parseAddresses, parseRoutes6 } from './parse-network';
import { familyOf, parseOsRelease } from './parse-os-release';
import { parseApk, parseDpkg, parseRpm } from './parse-packages';
import { parseInittab, parseRunLevels } from './parse-run-levels';
import { parseHolders, parseSockets } from './parse-sockets';
import { parseUnits, serviceFacts } from './parse-systemd';
import { parseTasks } from './parse-tasks';

describe('files that are read together', () => {
  const paths = ['/a', '/b', '/c'];
  const texts = (said: string, maxBytes = 100): readonly (readonly [string, string, boolean])[] =>
    [...splitHeads(said, paths, maxBytes)].map(([path, { text, truncated }]) => [path, text, truncated]);

  it('are asked of head with a bound for each', () => expect(headOf(['/a', '/b'], 7)).toEqual(['head', '-v', '-c', '7', '--', '/a', '/b']));

  it.each([
    [
      'all',
      '==> /a <==\none\n\n==> /b <==\ntwo\n\n==> /c <==\n',
      [
        ['/a', 'one\n', false],
        ['/b', 'two\n', false],
        ['/c', '', false],
      ],
    ],
    [
      'without the one that is not there',
      '==> /a <==\none\n\n==> /c <==\nthree',
      [
        ['/a', 'one\n', false],
        ['/c', 'three', false],
      ],
    ],
    ['cut, when they are as long as they may be', '==> /a <==\n1234567', [['/a', '1234567', true]]],
    ['not in another order, and none twice', '==> /b <==\nx\n==> /a <==\ny\n==> /b <==\nz', [['/b', 'x\n==> /a <==\ny\n==> /b <==\nz', false]]],
    ['not from what is no answer of head', 'x ==> /a <==\n', []],
  ] as const)('are told apart: %s', (_what, said, expected) => expect(texts(said, 7 + (said.length > 20 ? 93 : 0))).toEqual(expected));

  it('lose half a line at their end, and empty ones', () => {
    expect(linesOf({ text: 'a\n\n b \nc', truncated: true })).toEqual(['a', ' b ']);
    expect(linesOf({ text: 'a\nc', truncated: false })).toEqual(['a', 'c']);
  });
});

describe('parsers of what guests say', () => {
  it.each([
    ['ID=debian', 'debian'],
    ['ID=ubuntu\nID_LIKE=debian', 'debian'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'debian'],
    ['ID="ol"\nID_LIKE="fedora"', 'rhel'],
    ['ID=amzn', 'rhel'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'linux'],
    ['ID=__proto__', 'linux'],
    ['', 'linux'],
  ])('know the family of %j', (text, family) => expect(familyOf(parseOsRelease(text.split('\n')))).toBe(family));

  it('take quotes from os-release as a shell does', () =>
    expect(parseOsRelease(['NAME="A \\"B\\" \\$C"', "VERSION='1'", 'HOME_URL="x"', 'nonsense'])).toEqual([
      ['NAME', 'A "B" $C'],
      ['VERSION', '1'],
    ]));

  it.each([
    ['dpkg-query', parseDpkg, 'nginx:amd64\t1.22\tinstall ok installed\nnginx 1.22\n'],
    ['rpm', parseRpm, 'a.noarch\t1-1\nerror: cannot open Packages database\n'],
    ['apk', parseApk, 'musl-1.2.4-r2\nWARNING: opening cache\n'],
  ])('refuse a list of %s of which they cannot read a line', (program, parse, text) =>
    expect(() => parse({ text, truncated: false })).toThrow(`${program} in the guest gave a list of packages that cannot be read`),
  );

  it('read paths of sha256sum with what it escapes', () =>
    expect([...parseHashes([`${sha256Of('a')}  /a b`, `\\${sha256Of('b')}  /new\\nline\\\\`, 'sha256sum: /c: Permission denied'])]).toEqual([
      ['/a b', sha256Of('a')],
      ['/new\nline\\', sha256Of('b')],
    ]));

  it('see of several mounts at one point the last one', () =>
    expect(parseMounts(['/dev/vda1 /mnt ext4 rw 0 0', '/dev/vdb1 /mnt ext4 ro 0 0', 'nonsense'])).toEqual([['/mnt', '/dev/vdb1, ext4, ro']]));

  it('read addresses as busybox says them: its "secondary" is a temporary one', () =>
    expect(
      parseAddresses([
        '4: eth0    inet6 fd00::2/64 scope global flags 02 \\       valid_lft forever preferred_lft forever',
        '4: eth0    inet6 fd00::77/64 scope global secondary dynamic \\       valid_lft 60sec preferred_lft 10sec',
        '4: eth0    inet 192.0.2.3/24 scope global secondary eth0\\       valid_lft forever preferred_lft forever',
      ]),
    ).toEqual([['eth0', '192.0.2.3/24, fd00::2/64']]));

  it('pass over addresses and default routes that a router has advertised: they come some time after the start', () => {
    expect(
      parseAddresses([
        '2: eth0    inet 10.0.2.15/24 brd 10.0.2.255 scope global dynamic eth0\\       valid_lft 86000sec preferred_lft 86000sec',
        '2: eth0    inet6 fec0::5054:ff:feac:c478/64 scope site dynamic flags 100 \\       valid_lft 86392sec preferred_lft 14392sec',
      ]),
    ).toEqual([['eth0', '10.0.2.15/24']]);
    const zero = '0'.repeat(32);
    const via = 'fe800000000000000000000000000002';
    expect(parseRoutes6([`${zero} 00 ${zero} 00 ${via} 00000400 00000001 00000000 00450003     eth0`])).toEqual([]);
    expect(parseRoutes6([`${zero} 00 ${zero} 00 ${via} 00000400 00000001 00000000 00000003     eth0`])).toEqual([
      ['default route IPv6 eth0', 'via fe80::2, metric 1024'],
    ]);
  });

  it('pass over default routes that refuse', () =>
    expect(parseRoutes6([`${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 00000001 00000000 00200200     eth0`])).toEqual([]));

  it('tell a cut table of TCP that is complete from one that is not', () => {
    const listens = '   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 309244 1 0';
    const talks = '   1: 0100007F:1538 0100007F:9999 01 00000000:00000000 00:00000000 00000000   104        0 309245 1 0';
    expect(parseSockets('tcp', { text: `${listens}\n`, truncated: true })).toEqual({
      listeners: [{ name: 'tcp 127.0.0.1:5432', inode: '309244' }],
      truncated: true,
    });
    expect(parseSockets('tcp', { text: `${listens}\n${talks}\n   2: 01`, truncated: true }).truncated).toBe(false);
  });

  it('take the lowest process of a socket', () =>
    expect([...parseHolders(['/proc/20/fd/3 socket:[7]', '/proc/3/fd/3 socket:[7]', '/proc/x/fd/3 socket:[8]'])]).toEqual([['7', 3]]));

  it('know the links of runlevels, of System V and OpenRC', () =>
    expect(
      parseRunLevels([
        '/etc/init.d/ssh',
        '/etc/rc2.d/S01ssh',
        '/etc/rc3.d/S01ssh',
        '/etc/rc0.d/K01ssh',
        '/etc/rc.d/init.d/network',
        '/etc/runlevels/boot/net',
        '/etc/init.d/d/x',
      ]),
    ).toEqual([
      ['ssh', 'started in 2, 3'],
      ['network', 'a script, in no runlevel'],
      ['net', 'started in boot'],
    ]));

  it('keep no command line of inittab', () =>
    expect(parseInittab(['# x', 'T0:23:respawn:/sbin/getty -L ttyS0 --pass=x', '::ctrlaltdel:/sbin/reboot'])).toEqual([
      ['inittab T0 getty', `respawn, in 23, sha256 ${sha256Of('/sbin/getty -L ttyS0 --pass=x')}`],
      ['inittab reboot', `ctrlaltdel, sha256 ${sha256Of('/sbin/reboot')}`],
    ]));

  it('never take a command for a part of a schedule', () => {
    const keys = (line: string): string | undefined => parseTasks([line])[0]?.[0];
    expect(keys('/etc/cron.d/x:0-30/5,45 * * jan-mar Sun root cmd')).toBe('/etc/cron.d/x: 0-30/5,45 * * jan-mar Sun root');
    expect(keys('/etc/cron.d/x:@reboot root cmd --pw=x')).toBe('/etc/cron.d/x: @reboot root');
    for (const broken of ['* * * * curl --pw=x y z', '* * * * * $(id) x', '* * * * * root', 'PW=x * * * * root y', 'word word word word word word --pw=x']) {
      expect(keys(`/etc/cron.d/x:${broken}`)).toBe('/etc/cron.d/x: environment');
    }
    expect(keys('/etc/anacrontab:1\t5\tcron.daily\tnice run-parts /etc/cron.daily')).toBe('/etc/anacrontab: cron.daily every 1, after 5 min');
    expect(keys('/etc/anacrontab:RANDOM_DELAY=45')).toBe('/etc/anacrontab: environment');
    expect(() => parseTasks(['no path'])).toThrow('cannot be read');
  });

  it('say the same of a service whether systemd still remembers it or not, and of one that is on its way', () => {
    const said = (state: string, block: string): unknown =>
      serviceFacts(new Map([['a.service', state]]), parseUnits(`Id=a.service\nLoadState=loaded\n${block}`))[0]?.[1];
    expect(serviceFacts(new Map([['a.service', 'disabled']]), [])).toEqual([['a.service', 'disabled']]);
    expect(said('disabled', 'Type=simple\nActiveState=inactive\nSubState=dead')).toBe('disabled');
    expect(said('disabled', 'Type=simple\nTriggeredBy=a.socket\nActiveState=active\nSubState=running')).toBe('disabled');
    expect(said('static', 'Type=oneshot\nActiveState=failed\nSubState=failed')).toBe('static, failed');
    expect(said('enabled', 'Type=oneshot\nRemainAfterExit=no\nActiveState=activating\nSubState=start')).toBe('enabled');
    expect(said('enabled', 'Type=notify\nActiveState=activating\nSubState=start')).toBe('enabled, running');
    expect(said('enabled', 'Type=notify\nActiveState=reloading\nSubState=reload')).toBe('enabled, running');
    expect(said('enabled', 'Type=simple\nActiveState=activating\nSubState=auto-restart')).toBe('enabled, failed');
    expect(said('enabled', 'Type=simple\nActiveState=deactivating\nSubState=stop-sigterm')).toBe('enabled, stopped');
  });
});
