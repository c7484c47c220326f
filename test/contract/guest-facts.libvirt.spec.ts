import { readFile } from 'node:fs/promises';
import { FACT_KINDS, type FactKind, type FactSectionDiff, type ServerFacts } from '../../src/contracts/facts';
import { diffFacts, isEmpty } from '../../src/domain/facts/diff-facts';
import { summariseFactDiff } from '../../src/domain/facts/fact-words';
import { collectFacts } from '../../src/guests/facts/collect-facts';
import { faultAgent } from '../support/fault-agent';
import { openGuestDataLab, type GuestDataLab } from '../support/guest-data-lab';
import { eventually } from '../support/processes';

jest.setTimeout(240_000);

const CONFIGURATION = '/etc/shop';
const PORT = 8_099;
/** The guests are unpacked packages without dpkg's records of them: these are made for the test. */
const STATUS = ['busybox-static 1:1.35.0-4', 'libc6 2.36-9+deb12u13', 'postgresql-15 15.14-0+deb12u1']
  .map((record) => record.split(' '))
  .map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: nobody\nVersion: ${version}\nDescription: x\n`)
  .join('\n');
/** Of what one program takes on its standard input, in base64. */
const PIECE_BYTES = 60 * 1024;

describe('facts of a guest', () => {
  let lab: GuestDataLab;
  let first: ServerFacts;
  const collect = (): Promise<ServerFacts> => collectFacts(lab.agent, { configurationPaths: [CONFIGURATION, '/etc/absent'], now: () => new Date() });

  beforeAll(async () => {
    lab = await openGuestDataLab('facts');
    await putProgram('/usr/bin/dpkg-query');
    await lab.sh('mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates; echo amd64 > /var/lib/dpkg/arch; printf %s "$1" > /var/lib/dpkg/status', STATUS);
    await lab.sh(
      `mkdir -p ${CONFIGURATION}/sites /etc/cron.d /etc/cron.daily /var/spool/cron/crontabs; echo 'port = 1' > ${CONFIGURATION}/shop.conf; echo x > "${CONFIGURATION}/sites/new
line"; ln -s sites ${CONFIGURATION}/link; chmod 640 ${CONFIGURATION}/shop.conf; mkfifo ${CONFIGURATION}/pipe
      printf 'SHELL=/bin/sh\\n# no task\\n5 4 * * * root sync\\n' > /etc/cron.d/sync; echo tidy > /etc/cron.daily/tidy; echo '@daily report --password=hunter2' > /var/spool/cron/crontabs/postgres`,
    );
    first = await collect();
  });
  afterAll(() => lab?.close());

  /** The guest was made of packages of this machine's system, so this machine's programs find their libraries there. */
  async function putProgram(path: string): Promise<void> {
    const content = await readFile(path);
    for (let at = 0; at < content.length; at += PIECE_BYTES) {
      const input = content.subarray(at, at + PIECE_BYTES).toString('base64');
      const { exitCode, stderr } = await lab.agent.exec(['sh', '-euc', 'base64 -d >> "$1"; chmod 755 "$1"', 'sh', path], { input, timeoutMs: 60_000 });
      if (exitCode !== 0) throw new Error(stderr);
    }
  }

  const contentsOf = (facts: ServerFacts, kind: FactKind): Readonly<Record<string, string>> => {
    const section = facts.sections.find((candidate) => candidate.kind === kind);
    if (section?.state !== 'collected') throw new Error(`${kind}: ${section?.error.message}`);
    return Object.fromEntries(section.entries.map(({ key, value }) => [key, value]));
  };
  /** What differs, a line each. */
  const differences = (sections: readonly FactSectionDiff[]): readonly string[] =>
    sections.flatMap((section) => [
      ...section.changed.map(({ key }) => `${section.kind} ~ ${key}`),
      ...(section.state === 'compared'
        ? [...section.added.map(({ key }) => `${section.kind} + ${key}`), ...section.removed.map(({ key }) => `${section.kind} - ${key}`)]
        : []),
    ]);

  it('are what stands in it', async () => {
    expect(first.family).toBe('debian');
    expect(first.sections.filter(({ state }) => state === 'failed')).toEqual([]);
    expect(first.sections.map(({ kind }) => kind)).toEqual(FACT_KINDS);
    expect(contentsOf(first, 'os')).toMatchObject({ ID: 'debian' });
    expect(contentsOf(first, 'kernel')['release']).toBe((await lab.sh('uname -r')).trim());
    expect(contentsOf(first, 'packages')).toEqual({
      'busybox-static:amd64': '1:1.35.0-4',
      'libc6:amd64': '2.36-9+deb12u13',
      'postgresql-15:amd64': '15.14-0+deb12u1',
    });
    expect(contentsOf(first, 'services')).toMatchObject({
      postgresql: 'a script, in no runlevel',
      'inittab postgresql': expect.stringMatching(/^respawn, sha256 /),
    });
    expect(contentsOf(first, 'users')).toEqual({
      daemon: 'uid=1, gid=1, home=/, shell=/usr/sbin/nologin',
      nobody: 'uid=65534, gid=65534, home=/nonexistent, shell=/usr/sbin/nologin',
      openldap: 'uid=106, gid=106, home=/var/lib/ldap, shell=/usr/sbin/nologin',
      postgres: 'uid=105, gid=105, home=/var/lib/postgresql, shell=/bin/sh',
      root: 'uid=0, gid=0, home=/root, shell=/bin/sh',
    });
    expect(contentsOf(first, 'groups')).toMatchObject({ postgres: 'gid=105, members=', shadow: 'gid=42, members=' });
    expect(contentsOf(first, 'network')['lo']).toContain('127.0.0.1/8');
    expect(contentsOf(first, 'mounts')).toMatchObject({ '/': expect.stringMatching(/^\/dev\/(loop|vda2), ext4, rw/), '/data': expect.any(String) });
    expect(Object.keys(contentsOf(first, 'mounts')).filter((point) => /^\/(proc|sys|dev|run)\b/.test(point))).toEqual([]);
    const hashOf = async (path: string): Promise<string> => (await lab.sh('sha256sum < "$1"', path)).slice(0, 64);
    expect(contentsOf(first, 'tasks')).toEqual({
      '/etc/cron.d/sync: environment': expect.stringMatching(/^sha256 /),
      '/etc/cron.d/sync: 5 4 * * * root': expect.stringMatching(/^sha256 /),
      '/etc/cron.daily/tidy': `sha256 ${await hashOf('/etc/cron.daily/tidy')}`,
      '/var/spool/cron/crontabs/postgres: @daily': expect.stringMatching(/^sha256 /),
    });
    expect(contentsOf(first, 'files')).toEqual({
      '/etc/absent': 'missing',
      [`${CONFIGURATION}/link`]: 'link to sites',
      [`${CONFIGURATION}/shop.conf`]: `sha256 ${await hashOf(`${CONFIGURATION}/shop.conf`)}, mode 0640, owner 0:0`,
      [`${CONFIGURATION}/sites/new line`]: expect.stringMatching(/^sha256 [0-9a-f]{64}, mode 0644, owner 0:0$/),
    });
    expect(JSON.stringify(first)).not.toContain('hunter2');
  });

  it('are the same when nothing has changed, and leave nothing behind', async () => {
    const diff = diffFacts(first, await collect());
    expect(differences(diff.sections)).toEqual([]);
    expect(isEmpty(diff)).toBe(true);
    expect(await lab.sh('ls /run | grep -c modosu || true')).toBe('0\n');
  });

  it('cost few programs in the guest', async () => {
    const counted = faultAgent(lab.agent, {});
    await collectFacts(counted, { configurationPaths: [CONFIGURATION], now: () => new Date() });
    expect(counted.calls.length).toBeLessThanOrEqual(12);
  });

  it('name exactly what was changed', async () => {
    await lab.sh(`sed -i '/^Package: libc6/,/^$/d' /var/lib/dpkg/status; sed -i 's/^Version: 15.14-0/Version: 15.15-0/' /var/lib/dpkg/status
      echo 'mallory:x:0:0::/root:/bin/sh' >> /etc/passwd; sed -i 's/^shadow:x:42:/&mallory/' /etc/group
      echo 'port = 2' > ${CONFIGURATION}/shop.conf; ln -sfn elsewhere ${CONFIGURATION}/link
      echo '@reboot root true' >> /etc/cron.d/sync; mkdir -p /mnt/more; mount -t tmpfs -o size=4m tmpfs /mnt/more; ip address add 192.0.2.77/32 dev lo`);
    const pid = await lab.agent.start({ argv: ['busybox', 'httpd', '-f', '-p', `127.0.0.1:${PORT}`, '-h', '/mnt/more'] }, { timeoutMs: 30_000 });
    try {
      const listens = `0100007F:${PORT.toString(16).toUpperCase()} 00000000:0000 0A`;
      await eventually('it listens', async () => (await lab.sh('cat /proc/net/tcp')).includes(listens));
      const after = await collect();
      expect(contentsOf(after, 'ports')[`tcp 127.0.0.1:${PORT}`]).toBe('busybox');
      const diff = diffFacts(first, after);
      expect(differences(diff.sections)).toEqual([
        'packages ~ postgresql-15:amd64',
        'packages - libc6:amd64',
        'users + mallory',
        'groups ~ shadow',
        'network ~ lo',
        'mounts + /mnt/more',
        `ports + tcp 127.0.0.1:${PORT}`,
        'tasks + /etc/cron.d/sync: @reboot root',
        `files ~ ${CONFIGURATION}/link`,
        `files ~ ${CONFIGURATION}/shop.conf`,
      ]);
      expect(summariseFactDiff(diff)).toEqual([
        '1 package changed, 1 removed',
        '1 user added',
        '1 group changed',
        '1 network setting changed',
        '1 mount added',
        '1 listening port added',
        '1 scheduled task added',
        '2 configuration files changed',
      ]);
    } finally {
      await lab.sh(`kill ${pid}; ip address del 192.0.2.77/32 dev lo`);
      // Its working directory is in there until it has ended.
      await eventually('it is unmounted', async () => (await lab.sh('umount /mnt/more 2>/dev/null; grep -c " /mnt/more " /proc/mounts || true')) === '0\n');
    }
  });

  it('say of a guest without dpkg-query that its packages are not known, and everything else', async () => {
    await lab.sh('mv /usr/bin/dpkg-query /usr/bin/dpkg-query.away');
    try {
      const facts = await collect();
      expect(facts.sections.filter(({ state }) => state === 'failed')).toMatchObject([{ kind: 'packages', error: { code: 'GUEST_PROGRAM_MISSING' } }]);
      expect(isEmpty(diffFacts(first, facts))).toBe(false);
    } finally {
      await lab.sh('mv /usr/bin/dpkg-query.away /usr/bin/dpkg-query');
    }
  });

  it('lose a kind whose program hangs, and nothing is left of it in the guest', async () => {
    await lab.sh(`mv /usr/bin/dpkg-query /usr/bin/dpkg-query.away; printf '#!/bin/sh\\nsleep 4711\\n' > /usr/bin/dpkg-query; chmod 755 /usr/bin/dpkg-query`);
    try {
      const facts = await collect();
      expect(facts.sections.filter(({ state }) => state === 'failed')).toMatchObject([{ kind: 'packages', error: { code: 'FACTS_NOT_COLLECTED' } }]);
      expect(await lab.sh("ps -eo args | grep -c '^sleep 4711' || true")).toBe('0\n');
    } finally {
      await lab.sh('mv /usr/bin/dpkg-query.away /usr/bin/dpkg-query');
    }
  });
});
