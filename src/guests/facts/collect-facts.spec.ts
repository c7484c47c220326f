import { setTimeout as delay } from 'node:timers/promises';
import { FACT_KINDS, FACT_LIMITS, type FactKind, type ServerFacts } from '../../contracts/facts';
import { ModosuError } from '../../contracts/errors';
import { diffFacts, isEmpty } from '../../domain/facts/diff-facts';
import { sha256Of } from '../../system/sha256';
import { ALPINE_3 } from '../../../test/support/recorded-guests/alpine-3';
import { DEBIAN_12 } from '../../../test/support/recorded-guests/debian-12';
import { RecordedGuest, type Recording } from '../../../test/support/recorded-guests/recorded-guest';
import { ROCKY_9 } from '../../../test/support/recorded-guests/rocky-9';
import { collectFacts } from './collect-facts';

const now = (): Date => new Date('2026-11-29T03:00:00.000Z');
const collect = (guest: RecordedGuest, configurationPaths: readonly string[] = [], signal?: AbortSignal): Promise<ServerFacts> =>
  collectFacts(guest, { configurationPaths, now, ...(signal === undefined ? {} : { signal }) });

/** Entries of a section as an object, or its error's code. */
function contentsOf(facts: ServerFacts, kind: FactKind): Readonly<Record<string, string>> | string {
  const section = facts.sections.find((candidate) => candidate.kind === kind);
  if (section?.state !== 'collected') return section?.error.code ?? 'missing';
  return Object.fromEntries(section.entries.map(({ key, value }) => [key, value]));
}
const states = (facts: ServerFacts): Readonly<Record<string, string>> =>
  Object.fromEntries(
    facts.sections.map((section) => [section.kind, section.state === 'collected' ? (section.truncated ? 'truncated' : 'collected') : section.error.code]),
  );
const all = (state: string, others: Partial<Record<FactKind, string>> = {}): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(FACT_KINDS.map((kind) => [kind, state])),
  ...others,
});

const withFiles = (recording: Recording, files: Recording['files']): Recording => ({ ...recording, files: { ...recording.files, ...files } });
const withPrograms = (recording: Recording, programs: Recording['programs']): Recording => ({ ...recording, programs: { ...recording.programs, ...programs } });

describe('facts of Debian 12', () => {
  let facts: ServerFacts;
  let guest: RecordedGuest;
  beforeAll(async () => {
    guest = new RecordedGuest(DEBIAN_12);
    facts = await collect(guest);
  });

  it('come with their format, family and time, a section for each kind', () => {
    expect(facts).toMatchObject({ format: 'modosu-server-facts', version: 1, collectedAt: '2026-11-29T03:00:00.000Z', family: 'debian' });
    expect(states(facts)).toEqual(all('collected'));
    expect(facts.sections.map(({ kind }) => kind)).toEqual(FACT_KINDS);
  });

  it('cost few questions', () =>
    expect(guest.calls.map(([program, ...words]) => [program, words.find((word) => !word.startsWith('-'))].join(' '))).toEqual([
      'head 262144',
      'dpkg-query ${Package}:${Architecture}\\t${Version}\\t${Status}\\n',
      'systemctl list-unit-files',
      'systemctl show',
      'ip addr',
      'find /proc',
      'head 64',
      'find /etc/crontab',
    ]));

  it('say which OS and kernel it is', () => {
    expect(contentsOf(facts, 'os')).toEqual({
      '/etc/debian_version': '12.12',
      ID: 'debian',
      NAME: 'Debian GNU/Linux',
      PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)',
      VERSION: '12 (bookworm)',
      VERSION_CODENAME: 'bookworm',
      VERSION_ID: '12',
    });
    expect(contentsOf(facts, 'kernel')).toMatchObject({ release: '6.1.0-40-amd64', build: expect.stringContaining('Debian 6.1.153-1') });
  });

  it('have the packages that are there, with what is unusual about them', () =>
    expect(contentsOf(facts, 'packages')).toEqual({
      'adduser:all': '3.134',
      'libc6:amd64': '2.36-9+deb12u13',
      'libc6:i386': '2.36-9+deb12u13',
      'linux-image-6.1.0-40-amd64:amd64': '6.1.153-1',
      'nginx:amd64': '1.22.1-9+deb12u3, on hold',
      'postgresql-15:amd64': '15.14-0+deb12u1, half-configured',
    }));

  it('say of services what lasts, and nothing of sessions, of what runs for a moment and of what is started when it is used', () =>
    expect(contentsOf(facts, 'services')).toEqual({
      'apt-daily.service': 'static',
      'console-getty.service': 'disabled',
      'cron.service': 'enabled, running',
      'cryptdisks.service': 'masked',
      'docker.socket': 'enabled, active',
      'getty@.service': 'enabled',
      'getty@tty1.service': 'enabled, running',
      'ifupdown-pre.service': 'static',
      'networking.service': 'enabled, failed',
      'polkit.service': 'static',
      'postgresql.service': 'enabled, active',
      'postgresql@.service': 'disabled',
      'postgresql@15-main.service': 'enabled-runtime, running',
      'snapd.service': 'disabled, running',
      'ssh.service': 'enabled, stopped',
      'systemd-hostnamed.service': 'static',
      'systemd-tmpfiles-clean.service': 'static',
    }));

  it('have accounts', () => {
    expect(contentsOf(facts, 'users')).toMatchObject({
      root: 'uid=0, gid=0, home=/root, shell=/bin/bash',
      postgres: 'uid=104, gid=111, home=/var/lib/postgresql, shell=/bin/bash',
    });
    expect(contentsOf(facts, 'groups')).toEqual({
      adm: 'gid=4, members=daemon,web',
      postgres: 'gid=111, members=',
      root: 'gid=0, members=',
      'ssl-cert': 'gid=110, members=postgres',
    });
  });

  it('have the network, without temporary addresses, those of the link and interfaces of containers', () =>
    expect(contentsOf(facts, 'network')).toEqual({
      hostname: 'db01',
      lo: '127.0.0.1/8, ::1/128',
      eth0: '192.0.2.2/24',
      tun0: '10.8.0.1 peer 10.8.0.2/32',
      'default route eth0': 'via 192.0.2.1, metric 0',
      'default route IPv6 eth0': 'via fd00::1, metric 1024',
      resolvers: '10.255.255.53, fd00::53',
      'search domains': 'example.org lan',
      'resolver options': 'edns0 trust-ad',
    }));

  it('have mounts, without what the kernel makes up, comes and goes, or is another one after each start', () =>
    expect(contentsOf(facts, 'mounts')).toEqual({
      '/': '/dev/vda1, ext4, rw,relatime,errors=remount-ro',
      '/home': 'nas:/export/home, nfs4, rw,relatime,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,local_lock=none',
      '/opt/tools': '/dev/loop, squashfs, ro,nodev,relatime,errors=continue',
      '/srv/my data': '/dev/vdb1, xfs, rw,relatime,attr2,logbufs=8,logbsize=32k,noquota',
      '/tmp': 'tmpfs, tmpfs, rw,nosuid,nodev',
    }));

  it('have what listens, with the program of the lowest process, and no clients', () =>
    expect(contentsOf(facts, 'ports')).toEqual({
      'tcp 0.0.0.0:22': 'sshd',
      'tcp 127.0.0.1:5432': 'postgres',
      'tcp [::]:22': 'sshd',
      'tcp [fd00::2]:8080': 'program not visible',
      'udp 127.0.0.1:323': 'chronyd',
    }));

  it('have scheduled tasks, and of commands only hashes', () => {
    const twoCommands = sha256Of('one\ntwo');
    expect(contentsOf(facts, 'tasks')).toEqual({
      'apt-daily.timer': '*-*-* 06,18:00:00, starts apt-daily.service, enabled, active',
      'e2scrub_all.timer': 'disabled',
      'systemd-tmpfiles-clean.timer': 'OnBootUSec=15min, OnUnitActiveUSec=1d, starts systemd-tmpfiles-clean.service, static, active',
      '/etc/crontab: environment': `sha256 ${sha256Of('SHELL=/bin/sh')}`,
      '/etc/crontab: 17 * * * * root': `sha256 ${sha256Of('cd / && run-parts --report /etc/cron.hourly')}`,
      '/etc/cron.d/e2scrub_all: 30 3 * * 0 root': expect.stringMatching(/^sha256 [0-9a-f]{64}$/),
      '/etc/cron.d/e2scrub_all: 10 3 * * * root': expect.stringMatching(/^sha256 [0-9a-f]{64}$/),
      '/var/spool/cron/crontabs/postgres: @daily': expect.stringMatching(/^sha256 [0-9a-f]{64}$/),
      '/var/spool/cron/crontabs/postgres: 5 4 * * mon-fri': `2 commands, sha256 ${twoCommands}`,
      '/etc/cron.daily/man-db': 'sha256 3f1d4a0b6a2d0c5f7b8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d',
    });
    expect(JSON.stringify(facts)).not.toContain('hunter2');
  });

  it('are the same when they are collected again', async () => expect(isEmpty(diffFacts(facts, await collect(new RecordedGuest(DEBIAN_12))))).toBe(true));
});

describe('facts of other systems', () => {
  it('are asked of rpm on a member of the RHEL family, several versions of a package as one', async () => {
    const facts = await collect(new RecordedGuest(ROCKY_9));
    expect(facts.family).toBe('rhel');
    expect(states(facts)).toEqual(all('collected'));
    expect(contentsOf(facts, 'os')).toMatchObject({ '/etc/redhat-release': 'Rocky Linux release 9.4 (Blue Onyx)', ID_LIKE: 'rhel centos fedora' });
    expect(contentsOf(facts, 'packages')).toEqual({
      'bind-libs.x86_64': '32:9.16.23-18.el9_4.1',
      'gpg-pubkey.(none)': '350d275d-6279464b',
      'kernel-core.x86_64': '5.14.0-362.24.1.el9_3.0.1; 5.14.0-427.13.1.el9_4',
      'libgcc.x86_64': '11.4.1-3.el9',
      'openssl-libs.x86_64': '1:3.0.7-27.el9',
      'tzdata.noarch': '2024a-1.el9',
    });
  });

  it('are asked of apk and runlevels on Alpine; of listening programs and files what busybox cannot say is not said', async () => {
    const facts = await collect(new RecordedGuest(ALPINE_3), ['/etc/ssh']);
    expect(facts.family).toBe('linux');
    expect(states(facts)).toEqual(all('collected', { files: 'GUEST_PROGRAM_MISSING' }));
    expect(contentsOf(facts, 'packages')).toEqual({
      'alpine-baselayout-data': '3.4.3-r2',
      busybox: '1.36.1-r15',
      'ca-certificates-bundle': '20240226-r0',
      musl: '1.2.4_git20230717-r4',
    });
    expect(contentsOf(facts, 'services')).toMatchObject({
      sshd: 'started in default',
      networking: 'started in boot',
      chronyd: 'a script, in no runlevel',
      'inittab tty1 getty': expect.stringMatching(/^respawn, sha256 [0-9a-f]{64}$/),
      'inittab openrc': expect.stringMatching(/^shutdown, sha256 .*; sysinit, sha256 .*; wait, sha256 /),
    });
    expect(contentsOf(facts, 'ports')).toMatchObject({ 'tcp 0.0.0.0:22': 'program not visible' });
    expect(contentsOf(facts, 'tasks')).toEqual({ '/etc/crontabs/root: */15 * * * *': `sha256 ${sha256Of('run-parts /etc/periodic/15min')}` });
  });

  it('fail one by one where nothing can be said, with what is in the way', async () => {
    const facts = await collect(
      new RecordedGuest({
        files: { ...ALPINE_3.files, '/etc/os-release': 'ID=arch\n', '/etc/inittab': undefined, '/proc/1/comm': 'runit\n', '/etc/group': undefined },
        programs: { find: { exitCode: 1 } },
      }),
    );
    expect(states(facts)).toEqual(
      all('collected', {
        packages: 'GUEST_PROGRAM_MISSING',
        services: 'FACTS_NOT_COLLECTED',
        groups: 'FACTS_NOT_COLLECTED',
        network: 'GUEST_PROGRAM_MISSING',
      }),
    );
    expect(facts.sections[2]).toMatchObject({ error: { message: 'The guest has no apk and no rpm: its packages cannot be listed.' } });
    expect(facts.sections[3]).toMatchObject({ error: { message: expect.stringContaining('"runit"') } });
    expect(facts.sections[5]).toMatchObject({ error: { message: 'The guest has no /etc/group that can be read.' } });
  });
});

describe('declared configuration paths', () => {
  const records = (...fields: readonly (readonly string[])[]): string => fields.map((record) => record.map((field) => `${field}\0`).join('')).join('');
  const hash = sha256Of('x');
  const listing = records(
    ['d', '4096', '755', '0', '0', '', '/etc/nginx'],
    ['f', '1', '644', '0', '0', '', '/etc/nginx/nginx.conf'],
    ['f', '1', '640', '0', '33', '', '/etc/nginx/new\nline'],
    ['f', '1', '600', '0', '0', '', '/etc/nginx/gone'],
    ['f', '9000000', '600', '0', '0', '', '/etc/nginx/large'],
    ['l', '9', '777', '0', '0', '../sites/a', '/etc/nginx/site'],
  );
  const programs: Recording['programs'] = {
    stat: '100000 4096\n',
    prlimit: listing,
    xargs: (argv, input) => {
      expect(argv).toEqual(['xargs', '-0', 'sha256sum', '--']);
      expect(input).toBe('/etc/nginx/gone\0/etc/nginx/new\nline\0/etc/nginx/nginx.conf\0');
      return { exitCode: 123, stdout: `${hash}  /etc/nginx/nginx.conf\n\\${hash}  /etc/nginx/new\\nline\n` };
    },
  };

  it('are hashed, and links are where they lead; what is not there is missing', async () => {
    const facts = await collect(new RecordedGuest(withPrograms(DEBIAN_12, programs)), ['/etc/nginx', '/etc/nginx/nginx.conf', '/etc/absent']);
    expect(contentsOf(facts, 'files')).toEqual({
      '/etc/absent': 'missing',
      '/etc/nginx/gone': 'could not be read, mode 0600, owner 0:0',
      '/etc/nginx/large': 'not read, 9000000 bytes, mode 0600, owner 0:0',
      '/etc/nginx/new line': `sha256 ${hash}, mode 0640, owner 0:33`,
      '/etc/nginx/nginx.conf': `sha256 ${hash}, mode 0644, owner 0:0`,
      '/etc/nginx/site': 'link to ../sites/a',
    });
  });

  it('are at most 2,000 files', async () => {
    const many = Array.from({ length: 2_500 }, (_, index) => ['f', '1', '644', '0', '0', '', `/etc/many/${String(index).padStart(4, '0')}`]);
    const hashed = jest.fn((_argv: readonly string[], input: string) =>
      input
        .split('\0')
        .slice(0, -1)
        .map((path) => `${hash}  ${path}\n`)
        .join(''),
    );
    const facts = await collect(
      new RecordedGuest(withPrograms(DEBIAN_12, { ...programs, prlimit: records(['d', '4096', '755', '0', '0', '', '/etc/many'], ...many), xargs: hashed })),
      ['/etc/many'],
    );
    expect(states(facts)['files']).toBe('truncated');
    const paths = Object.keys(contentsOf(facts, 'files'));
    expect(paths).toHaveLength(2_000);
    expect(paths.at(-1)).toBe('/etc/many/1999');
  });

  it.each([
    ['a listing that is none', { prlimit: records(['f', 'many', '644', '0', '0', '', '/etc/a']) }, 'FACTS_NOT_COLLECTED'],
    ['no prlimit', { prlimit: undefined }, 'GUEST_PROGRAM_MISSING'],
    ['another find', { prlimit: { exitCode: 1, stderr: 'find: unrecognized: -fprintf\n' } }, 'GUEST_PROGRAM_MISSING'],
    ['a full /run', { prlimit: { exitCode: 1, stderr: 'find: No space left on device\n' } }, 'GUEST_DISK_FULL'],
  ] as const)('say what is in the way: %s', async (_what, wrong, code) => {
    expect(states(await collect(new RecordedGuest(withPrograms(DEBIAN_12, { ...programs, ...wrong })), ['/etc/a']))).toEqual(all('collected', { files: code }));
  });

  it('that are not absolute are asked for nowhere', async () => {
    const guest = new RecordedGuest(withPrograms(DEBIAN_12, programs));
    expect(contentsOf(await collect(guest, ['-delete']), 'files')).toBe('PATH_NOT_ALLOWED');
    expect(guest.calls.some(([program]) => program === 'prlimit')).toBe(false);
  });
});

describe('a guest that is hostile, ill or gone', () => {
  const silent = (): never => {
    throw new ModosuError('AGENT_SILENT', 'The guest agent of db01 does not answer.');
  };

  it('that falls silent in the middle is asked nothing more', async () => {
    const guest = new RecordedGuest(DEBIAN_12, ([program]) => (program === 'ip' ? silent() : undefined));
    const facts = await collect(guest, ['/etc/nginx']);
    const rest: Partial<Record<FactKind, string>> = {
      network: 'AGENT_SILENT',
      mounts: 'collected',
      ports: 'AGENT_SILENT',
      tasks: 'AGENT_SILENT',
      files: 'AGENT_SILENT',
    };
    expect(states(facts)).toEqual(all('collected', rest));
    expect(guest.calls.at(-1)?.[0]).toBe('ip');
  });

  it('that has never answered is asked once', async () => {
    const guest = new RecordedGuest(DEBIAN_12, silent);
    expect(states(await collect(guest, ['/etc/nginx']))).toEqual(all('AGENT_SILENT'));
    expect(guest.calls).toHaveLength(1);
  });

  it('that does not even let the agent say so costs one section its time, and no more', async () => {
    jest.useFakeTimers();
    try {
      const guest = new RecordedGuest(DEBIAN_12, ([program]) => (program === 'dpkg-query' ? new Promise(() => undefined) : undefined));
      const collecting = collect(guest, ['/etc/nginx']);
      await jest.advanceTimersByTimeAsync(FACT_LIMITS.sectionMs + 4_000);
      expect(states(await collecting)).toEqual(
        all('AGENT_SILENT', { os: 'collected', kernel: 'collected', users: 'collected', groups: 'collected', mounts: 'collected' }),
      );
    } finally {
      jest.useRealTimers();
    }
  });

  it('has a minute for everything', async () => {
    jest.useFakeTimers();
    try {
      const begunAt = performance.now();
      const collecting = collect(new RecordedGuest(withPrograms(DEBIAN_12, { stat: '100000 4096\n', prlimit: '' }), () => 9_000), ['/etc/nginx']);
      await jest.advanceTimersByTimeAsync(FACT_LIMITS.totalMs);
      const facts = await collecting;
      expect(performance.now() - begunAt).toBeLessThanOrEqual(FACT_LIMITS.totalMs);
      expect(states(facts)).toEqual(
        all('collected', { services: 'FACTS_NOT_COLLECTED', ports: 'FACTS_NOT_COLLECTED', tasks: 'FACTS_NOT_COLLECTED', files: 'AGENT_SILENT' }),
      );
    } finally {
      jest.useRealTimers();
    }
  });

  it('that forbids programs still lets files be read', async () => {
    const guest = new RecordedGuest(DEBIAN_12, ([program]) => {
      if (program !== 'read') throw new ModosuError('GUEST_COMMAND_FORBIDDEN', 'The guest agent of db01 does not allow guest-exec.');
    });
    const facts = await collect(guest);
    const forbidden = 'GUEST_COMMAND_FORBIDDEN';
    expect(states(facts)).toEqual(all('collected', { packages: forbidden, services: forbidden, network: forbidden, tasks: forbidden }));
    expect(guest.calls.filter(([program]) => program !== 'read')).toHaveLength(1);
    expect(contentsOf(facts, 'ports')).toMatchObject({ 'tcp 0.0.0.0:22': 'program not visible' });
  });

  it('that forbids everything, as those of the RHEL family do, is asked twice', async () => {
    const guest = new RecordedGuest(ROCKY_9, () => {
      throw new ModosuError('GUEST_COMMAND_FORBIDDEN', 'The guest agent of db01 does not allow it.');
    });
    expect(states(await collect(guest))).toEqual(all('GUEST_COMMAND_FORBIDDEN', { files: 'collected' }));
    expect(guest.calls.map(([program]) => program)).toEqual(['head', 'read']);
  });

  it('without `timeout` starts nothing that could run for ever', async () => {
    const guest = new RecordedGuest(DEBIAN_12, ([program]) => {
      if (program !== 'read') throw new ModosuError('AGENT_COMMAND_FAILED', 'Failed to execute child process "timeout" (No such file or directory)');
    });
    const missing = 'GUEST_PROGRAM_MISSING';
    expect(states(await collect(guest))).toEqual(all('collected', { packages: missing, services: missing, network: missing, tasks: missing }));
  });

  it('whose program takes too long loses that section only', async () => {
    const facts = await collect(new RecordedGuest(withPrograms(DEBIAN_12, { 'dpkg-query': { exitCode: 137 } })));
    expect(states(facts)).toEqual(all('collected', { packages: 'FACTS_NOT_COLLECTED' }));
    expect(facts.sections[2]).toMatchObject({ error: { message: expect.stringContaining('dpkg-query in the guest was killed') } });
  });

  it.each([124, 137, 1, 2, 255])('whose programs all end with %i', async (exitCode) => {
    const program = { exitCode, stdout: '', stderr: '\u001b[31mred\u0007' };
    const programs = Object.fromEntries(Object.keys(DEBIAN_12.programs).map((name) => [name, program]));
    const facts = await collect(new RecordedGuest(withPrograms(DEBIAN_12, programs)));
    expect(states(facts)).toMatchObject({
      packages: 'FACTS_NOT_COLLECTED',
      network: 'FACTS_NOT_COLLECTED',
      services: 'FACTS_NOT_COLLECTED',
      users: 'collected',
    });
    expect(JSON.stringify(facts)).not.toMatch(/\\u00/);
  });

  it('that says 100 MB wherever it can is read in part, and says so', async () => {
    const flood = 'x'.repeat(100 * 1024 * 1024);
    const line = 'a:amd64\t1\tinstall ok installed\n';
    const facts = await collect(
      new RecordedGuest({
        files: withFiles(DEBIAN_12, {
          '/etc/passwd': `root:x:0:0:root:/root:/bin/bash\n${flood}`,
          '/proc/net/udp': `${DEBIAN_12.files['/proc/net/udp']}${flood}`,
        }).files,
        programs: { ...DEBIAN_12.programs, 'dpkg-query': { stdout: `${line}${flood}`, truncated: true }, ip: flood, find: flood },
      }),
    );
    expect(states(facts)).toEqual(
      all('collected', { packages: 'truncated', users: 'truncated', network: 'FACTS_NOT_COLLECTED', ports: 'truncated', tasks: 'truncated' }),
    );
    expect(JSON.stringify(facts).length).toBeLessThan(FACT_LIMITS.totalBytes);
  });

  it('with many connections still tells all that listens: that comes first', async () => {
    const connections = Array.from(
      { length: 5_000 },
      (_, index) => `${index + 9}: 020200C0:0016 010200C0:B500 01 00000000:00000000 02:00000DEB 00000000     0        0 40021 3 0 20 4 30 10 -1\n`,
    ).join('');
    const facts = await collect(new RecordedGuest(withFiles(DEBIAN_12, { '/proc/net/tcp': `${DEBIAN_12.files['/proc/net/tcp']}${connections}` })));
    expect(states(facts)['ports']).toBe('collected');
  });

  it('that says garbage gives no facts, or facts that are fit to be shown', async () => {
    const bytes = Array.from({ length: 3_000 }, (_, index) => String.fromCharCode((index * 7919) % 256)).join('');
    const garbage = new RecordedGuest({
      files: Object.fromEntries(Object.keys(DEBIAN_12.files).map((path) => [path, bytes])),
      programs: Object.fromEntries(['dpkg-query', 'rpm', 'apk', 'systemctl', 'ip', 'find', 'stat', 'prlimit', 'xargs'].map((name) => [name, bytes])),
    });
    const facts = await collect(garbage, ['/etc/nginx']);
    expect(states(facts)).toEqual(all('FACTS_NOT_COLLECTED', { kernel: 'collected', tasks: 'FACTS_NOT_COLLECTED' }));
    // One line each, PostgreSQL can store them, and no terminal is steered.
    const texts = JSON.stringify(facts.sections, (_key, value: unknown) => value);
    expect(texts).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  });

  it('that invents names cannot break lines, repeat a key or hide what is beyond the cut', async () => {
    const members = (last: string): string => `big:x:9:${Array.from({ length: 200 }, (_, index) => `user${index}`).join(',')},${last}\n`;
    const hostile = (last: string): Recording =>
      withFiles(DEBIAN_12, {
        '/etc/group': `a\u001b[2Jb\u202e:x:1:\na:x:2:\na:x:3:\n__proto__:x:4:\n${members(last)}\n+nis\n`,
        '/etc/passwd': 'root:$6$salt$hash:0:0::/:/bin/sh\n',
      });
    const [one, other] = [await collect(new RecordedGuest(hostile('zoe'))), await collect(new RecordedGuest(hostile('zoo')))];
    const section = one.sections[5];
    expect(section?.state === 'collected' && section.entries.map(({ key, value }) => `${key}: ${value.slice(0, 30)}`)).toEqual([
      '__proto__: gid=4, members=',
      'a: gid=2, members=; gid=3, member',
      'a [2Jb: gid=1, members=',
      'big: gid=9, members=user0,user1,use',
    ]);
    expect(JSON.stringify(one)).not.toContain('$6$');
    expect(diffFacts(one, other).sections[5]?.changed).toEqual([
      { key: 'big', before: expect.stringMatching(/… #[0-9a-f]{12}$/), after: expect.stringMatching(/… #[0-9a-f]{12}$/) },
    ]);
  });

  it('that writes in characters of two units each says no more than any other', async () => {
    const group = (count: number, last: string): Recording => withFiles(DEBIAN_12, { '/etc/group': `${'a'.repeat(3)}${'😀'.repeat(count)}:x:9:${last}\n` });
    for (const count of [248, 249, 250, 400, 5000]) {
      const [one, other] = [await collect(new RecordedGuest(group(count, 'zoe'))), await collect(new RecordedGuest(group(count, 'zoo')))];
      const texts = one.sections.flatMap((section) => (section.state === 'collected' ? section.entries.flatMap(({ key, value }) => [key, value]) : []));
      expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(FACT_LIMITS.characters);
      expect(texts.filter((text) => /\p{Cs}/u.test(text))).toEqual([]);
      expect(diffFacts(one, other).sections[5]?.changed).toHaveLength(1);
    }
  });

  it('with more packages than there may be has those that come first', async () => {
    const lines = Array.from(
      { length: FACT_LIMITS.packages + 10 },
      (_, index) => `p${String(index).padStart(6, '0')}:all\t1\tinstall ok installed\n`,
    ).reverse();
    const facts = await collect(new RecordedGuest(withPrograms(DEBIAN_12, { 'dpkg-query': lines.join('') })));
    expect(states(facts)['packages']).toBe('truncated');
    const names = Object.keys(contentsOf(facts, 'packages'));
    expect(names).toHaveLength(FACT_LIMITS.packages);
    expect(names.at(-1)).toBe('p019999:all');
  });
});

describe('whoever collects', () => {
  it('may give up: nothing is waited for, and its reason is what it gets', async () => {
    const abort = new AbortController();
    const guest = new RecordedGuest(DEBIAN_12, async ([program]) => {
      if (program !== 'systemctl') return;
      abort.abort(new Error('cancelled'));
      await delay(60_000, undefined, { ref: false });
    });
    await expect(collect(guest, [], abort.signal)).rejects.toThrow('cancelled');
    await expect(collect(new RecordedGuest(DEBIAN_12), [], abort.signal)).rejects.toThrow('cancelled');
  });

  it('gets what is a fault of Modosu as that, in its section', async () => {
    const guest = new RecordedGuest(DEBIAN_12, ([program]) => {
      if (program === 'ip') throw new TypeError('x is not a function');
    });
    expect(states(await collect(guest))).toEqual(all('collected', { network: 'INTERNAL' }));
  });
});
