import { estateSchema } from '../contracts/api/estate';
import { isModosuError, ModosuError } from '../contracts/errors';
import { NO_PROTECTION } from '../contracts/protection';
import { MAX_ESTATE_BYTES, parseEstateFile, placedInEstate } from './estate-file';
import { processorTimeMs } from '../../test/support/processor-time';

const parse = (text: string) => parseEstateFile('estate.yaml', Buffer.from(text));

function errorsOf(text: string | Buffer): readonly string[] {
  try {
    parseEstateFile('estate.yaml', Buffer.from(text));
  } catch (error) {
    if (!isModosuError(error)) throw error;
    expect(error.code).toBe('ESTATE_INVALID');
    return error.context['errors'] as readonly string[];
  }
  throw new Error('the file was accepted');
}

const GOOD = `hypervisors:
  - name: local
    kind: libvirt
repositories:
  - name: main
    kind: directory
    path: /srv/modosu
servers:
  - name: db01
    hypervisor: local
    repository: main
`;

describe('the estate file', () => {
  it('is read, with defaults', () => {
    expect(parse(GOOD)).toEqual({
      hypervisors: [{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }],
      repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
      offsite: [],
      policies: [],
      groups: [],
      relations: [],
      servers: [{ name: 'db01', hypervisor: 'local', repository: 'main', policy: null, stopTimeoutSeconds: 120, agentTimeoutSeconds: 300, ...NO_PROTECTION }],
    });
  });

  it('may say a thing once and refer to it', () => {
    const text = GOOD.replace('name: local\n', 'name: &host local\n').replace('hypervisor: local', 'hypervisor: *host');
    expect(parse(text).servers[0]?.hypervisor).toBe('local');
  });

  it('names line, column and path of a wrong value', () => {
    expect(errorsOf(GOOD.replace('kind: libvirt', 'kind: xen'))[0]).toMatch(/^estate\.yaml:3:11: hypervisors\[0\]\.kind: /);
    expect(errorsOf(GOOD.replace('hypervisor: local', 'hypervisor: other'))).toEqual([
      'estate.yaml:10:17: servers[0].hypervisor: no hypervisor named "other" is declared in this file',
    ]);
  });

  it('names the line of an unknown field, and of the surroundings of a missing one', () => {
    expect(errorsOf(`${GOOD}    colour: red\n`)).toEqual(['estate.yaml:12:5: servers[0].colour: this field is not known']);
    expect(errorsOf(GOOD.replace('    path: /srv/modosu\n', ''))[0]).toMatch(/^estate\.yaml:5:5: repositories\[0\]\.path: /);
  });

  it('names every error, not only the first', () => {
    const errors = errorsOf(GOOD.replace('kind: libvirt', 'kind: xen').replace('path: /srv/modosu', 'path: relative'));
    expect(errors).toHaveLength(2);
    expect(errors[1]).toMatch(/^estate\.yaml:7:11: repositories\[0\]\.path: must be an absolute path/);
  });

  it.each([
    ['two servers of one name', GOOD + '  - name: db01\n    hypervisor: local\n    repository: main\n', /^estate\.yaml:8:1: servers: names must be unique/],
    ['broken YAML', 'servers: [\n', /^estate\.yaml:\d+:\d+: /],
    ['a tab as indentation', 'servers:\n\t- name: x\n', /^estate\.yaml:2:1: /],
    ['a key given twice', `${GOOD}servers: []\n`, /^estate\.yaml:12:1: Map keys must be unique/],
    ['a list instead of a map', '- a\n', /^estate\.yaml:1:1: the file: /],
    ['an empty file', '', /^estate\.yaml:1:1: the file: /],
    ['a second document', `${GOOD}---\n${GOOD}`, /multiple documents/],
    ['an unknown tag', 'servers: !!js/function x\n', /^estate\.yaml:1:10: /],
    ['a server called ..', GOOD.replace('name: db01', 'name: ".."'), /^estate\.yaml:9:11: servers\[0\]\.name: /],
    ['a server with a space', GOOD.replace('name: db01', 'name: "db 01"'), /servers\[0\]\.name: /],
    ['a server with a quote', GOOD.replace('name: db01', `name: "db'01"`), /servers\[0\]\.name: /],
    ['a server with a newline', GOOD.replace('name: db01', 'name: "db01\\n"'), /servers\[0\]\.name: /],
    ['a server with a leading -', GOOD.replace('name: db01', 'name: "-db01"'), /servers\[0\]\.name: /],
    ['__proto__ as a field', `${GOOD}    __proto__: {a: 1}\n`, /this field is not known/],
  ])('refuses %s', (_what, text, expected) => {
    expect(errorsOf(text)[0]).toMatch(expected);
  });

  describe('what a server is protected by', () => {
    /** Declared under db01, from line 12 on. */
    const withField = (text: string): string => `${GOOD}${text.replace(/^(?=.)/gm, '    ')}`;
    const PROTECTED = withField(`disks:
  - { target: vdb, role: data }
  - { target: sda, role: system }
nics:
  - { mac: "52:54:00:AA:bb:0C", role: backup }
healthChecks:
  - { name: web, kind: tcp, host: 10.0.0.5, port: 443 }
  - { name: v6, kind: tcp, host: "fe80::1", port: 1, timeoutSeconds: 5 }
  - { name: app-up, kind: command, argv: [/usr/bin/systemctl, is-active, "my app", ""] }
  - { name: rows, kind: sql, database: shop, query: select count(*) from orders, expect: "3" }
  - { name: up, kind: sql, database: 資料, user: reader, socketDirectory: /run/pg, query: select 1 }
quiesce:
  before: [/usr/local/bin/flush]
onlineBackup:
  rateLimitBytesPerSecond: 104857600
  maxGuestLatencyMs: 50
`);

    it('is read, with defaults, and MAC addresses in lower case', () => {
      expect(parse(PROTECTED).servers[0]).toMatchObject({
        disks: [
          { target: 'vdb', role: 'data' },
          { target: 'sda', role: 'system' },
        ],
        nics: [{ mac: '52:54:00:aa:bb:0c', role: 'backup' }],
        healthChecks: [
          { name: 'web', kind: 'tcp', host: '10.0.0.5', port: 443, timeoutSeconds: 60 },
          { name: 'v6', kind: 'tcp', host: 'fe80::1', port: 1, timeoutSeconds: 5 },
          { name: 'app-up', kind: 'command', argv: ['/usr/bin/systemctl', 'is-active', 'my app', ''], timeoutSeconds: 60 },
          {
            name: 'rows',
            kind: 'sql',
            engine: 'postgresql',
            database: 'shop',
            user: 'postgres',
            socketDirectory: null,
            query: 'select count(*) from orders',
            expect: '3',
          },
          { name: 'up', kind: 'sql', database: '資料', user: 'reader', socketDirectory: '/run/pg', expect: null },
        ],
        quiesce: { before: ['/usr/local/bin/flush'], after: null },
        onlineBackup: { rateLimitBytesPerSecond: 104_857_600, maxGuestLatencyMs: 50 },
      });
    });

    const DATA = withField(`dataSets:
  - { name: uploads, kind: files, paths: [/srv/uploads, /srv/uploads-old, /etc/app], excludes: ["*.tmp", "!keep me"], after: [/usr/bin/logger, "saved it"] }
  - { name: root, kind: files, paths: [/] }
  - { name: shop, kind: postgresql, databases: [shop, データ], before: [/usr/local/bin/flush] }
  - { name: crm-2, kind: postgresql, databases: ["my db"], user: reader, osUser: null, socketDirectory: /run/pg, port: 5433, spoolDirectory: /srv/spool }
`);

    it('has data sets, with defaults', () => {
      const plain = { before: null, after: null };
      expect(parse(DATA).servers[0]?.dataSets).toEqual([
        {
          ...plain,
          kind: 'files',
          name: 'uploads',
          paths: ['/srv/uploads', '/srv/uploads-old', '/etc/app'],
          excludes: ['*.tmp', '!keep me'],
          after: ['/usr/bin/logger', 'saved it'],
        },
        { ...plain, kind: 'files', name: 'root', paths: ['/'], excludes: [] },
        {
          ...plain,
          kind: 'postgresql',
          name: 'shop',
          databases: ['shop', 'データ'],
          user: 'postgres',
          osUser: 'postgres',
          socketDirectory: null,
          port: 5432,
          spoolDirectory: '/var/tmp/modosu-spool',
          before: ['/usr/local/bin/flush'],
        },
        {
          ...plain,
          kind: 'postgresql',
          name: 'crm-2',
          databases: ['my db'],
          user: 'reader',
          osUser: null,
          socketDirectory: '/run/pg',
          port: 5433,
          spoolDirectory: '/srv/spool',
        },
      ]);
      expect(estateSchema.parse(JSON.parse(JSON.stringify(parse(DATA))))).toEqual(parse(DATA));
    });

    const KEY = `ssh-ed25519 ${'A'.repeat(68)}`;
    const ssh = (fields: string): string => withField(`ssh: { ${fields} }\n`);

    it('may name SSH for programs in the guest, with defaults', () => {
      expect(parse(ssh(`host: 10.20.0.15, hostKey: ${KEY}`)).servers[0]?.ssh).toEqual({
        host: '10.20.0.15',
        port: 22,
        user: 'root',
        sudo: false,
        hostKey: KEY,
      });
      expect(parse(GOOD).servers[0]?.ssh).toBeNull();
    });

    const credential = (fields: string): string => withField(`credentials: [{ ${fields} }]\n`);

    it('may name credentials, which are not set in the guest unless that is said', () => {
      expect(parse(credential('account: root, store: vault, path: servers/db01')).servers[0]?.credentials).toEqual([
        { account: 'root', store: 'vault', path: 'servers/db01', reapply: false },
      ]);
      expect(parse(credential('account: Administrator, store: people, path: win/dc1, field: local, reapply: true')).servers[0]?.credentials).toEqual([
        { account: 'Administrator', store: 'people', path: 'win/dc1', field: 'local', reapply: true },
      ]);
      expect(parse(GOOD).servers[0]).not.toHaveProperty('credentials');
    });

    it('goes through the API unchanged', () => {
      const once = parse(PROTECTED);
      expect(estateSchema.parse(JSON.parse(JSON.stringify(once)))).toEqual(once);
    });

    const check = (fields: string): string => withField(`healthChecks:\n  - { name: a, ${fields} }\n`);
    const sql = (fields: string): string => check(`kind: sql, ${fields}`);
    const dataSet = (fields: string): string => withField(`dataSets:\n  - { name: a, ${fields} }\n`);
    const files = (paths: string): string => dataSet(`kind: files, paths: ${paths}`);
    const database = (fields: string): string => dataSet(`kind: postgresql, ${fields}`);
    const databases = (names: string): string => database(`databases: ${names}`);

    it.each([
      [
        'a disk that is none',
        withField('disks:\n  - { target: /dev/vdb, role: data }\n'),
        /^estate\.yaml:13:19: servers\[0\]\.disks\[0\]\.target: must be the target of a disk, like vda or sdb/,
      ],
      [
        'a disk twice',
        withField('disks:\n  - { target: vdb, role: data }\n  - { target: vdb, role: system }\n'),
        /^estate\.yaml:12:5: servers\[0\]\.disks: targets must be unique/,
      ],
      ['an unknown role of a disk', withField('disks:\n  - { target: vdb, role: swap }\n'), /servers\[0\]\.disks\[0\]\.role: /],
      [
        'too many disks',
        withField(`disks:\n${Array.from({ length: 65 }, (_, i) => `  - { target: vd${i}, role: data }\n`).join('')}`),
        /servers\[0\]\.disks: /,
      ],
      [
        'a MAC address that is none',
        withField('nics:\n  - { mac: "52:54:00:aa:bb", role: backup }\n'),
        /^estate\.yaml:13:16: servers\[0\]\.nics\[0\]\.mac: must be a MAC address/,
      ],
      [
        'a MAC address twice, in other letters',
        withField('nics:\n  - { mac: "52:54:00:aa:bb:cc", role: backup }\n  - { mac: "52:54:00:AA:BB:CC", role: production }\n'),
        /^estate\.yaml:12:5: servers\[0\]\.nics: MAC addresses must be unique/,
      ],
      ['an unknown role', withField('nics:\n  - { mac: "52:54:00:aa:bb:cc", role: dmz }\n'), /servers\[0\]\.nics\[0\]\.role: /],
      [
        'too many NICs',
        withField(`nics:\n${Array.from({ length: 33 }, (_, i) => `  - { mac: "52:54:00:00:00:${(i + 16).toString(16)}", role: backup }\n`).join('')}`),
        /servers\[0\]\.nics: /,
      ],
      ['an unknown kind of check', check('kind: http, url: x'), /^estate\.yaml:13:26: servers\[0\]\.healthChecks\[0\]\.kind: must be command, tcp or sql/],
      ['a check without a kind', check('port: 1'), /servers\[0\]\.healthChecks\[0\]\.kind: must be command, tcp or sql/],
      [
        'two checks of one name',
        withField('healthChecks:\n  - { name: a, kind: tcp, host: h, port: 1 }\n  - { name: a, kind: tcp, host: h, port: 2 }\n'),
        /^estate\.yaml:12:5: servers\[0\]\.healthChecks: names must be unique/,
      ],
      [
        'too many checks',
        withField(`healthChecks:\n${Array.from({ length: 21 }, (_, i) => `  - { name: c${i}, kind: tcp, host: h, port: 1 }\n`).join('')}`),
        /servers\[0\]\.healthChecks: /,
      ],
      [
        'a check with a path as its name',
        withField('healthChecks:\n  - { name: ../x, kind: tcp, host: h, port: 1 }\n'),
        /^estate\.yaml:13:17: servers\[0\]\.healthChecks\[0\]\.name: /,
      ],
      [
        'a field of another kind',
        check('kind: tcp, host: h, port: 1, query: x'),
        /^estate\.yaml:13:\d+: servers\[0\]\.healthChecks\[0\]\.query: this field is not known/,
      ],
      ['__proto__ in a check', check('kind: tcp, host: h, port: 1, __proto__: {a: 1}'), /this field is not known/],
      ['a host that is an option', check('kind: tcp, host: "-x", port: 1'), /host: must be an IP address or the name of a host/],
      ['a host with a newline', check('kind: tcp, host: "a\\nb", port: 1'), /host: must be an IP address/],
      ['a host with a space', check('kind: tcp, host: "a b", port: 1'), /host: must be an IP address/],
      ['port 0', check('kind: tcp, host: h, port: 0'), /port: /],
      ['port 65536', check('kind: tcp, host: h, port: 65536'), /port: /],
      ['no program', check('kind: command, argv: []'), /argv\[0\]: the program is missing/],
      ['an empty program', check('kind: command, argv: [""]'), /argv\[0\]: /],
      ['a command line instead of a list', check('kind: command, argv: "rm -rf /"'), /argv: must be a list: the program, then its arguments/],
      ['a number as an argument', check('kind: command, argv: [sleep, 1]'), /argv\[1\]: /],
      ['an argument with a NUL', check('kind: command, argv: [a, "b\\0c"]'), /argv\[1\]: must not contain control characters/],
      ['too many arguments', check(`kind: command, argv: [${Array(65).fill('x').join(', ')}]`), /argv: must not have more than 64 parts/],
      ['a time-out of 0', check('kind: tcp, host: h, port: 1, timeoutSeconds: 0'), /timeoutSeconds: /],
      ['a connection string as a database', sql('database: "host=evil dbname=x", query: select 1'), /database: must be the plain name of a database/],
      ['a URI as a database', sql('database: "postgresql://evil/x", query: select 1'), /database: must be the plain name/],
      ['a database that is an option', sql('database: "--file=/etc/passwd", query: select 1'), /database: must be the plain name/],
      ['a user that is an option', sql('database: a, user: "-x", query: select 1'), /user: must not begin with "-"/],
      ['a command of psql', sql('database: a, query: "\\\\! id"'), /query: must be a query/],
      ['a query of two lines', sql('database: a, query: "select 1\\nselect 2"'), /query: must not contain control characters/],
      ['a query without end', sql(`database: a, query: "${'x'.repeat(2001)}"`), /query: /],
      ['another engine', sql('engine: mysql, database: a, query: x'), /engine: /],
      ['a relative socket directory', sql('database: a, socketDirectory: run, query: x'), /socketDirectory: must be an absolute path/],
      ['a socket directory with ..', sql('database: a, socketDirectory: /run/../etc, query: x'), /socketDirectory: must not contain "\.\."/],
      ['an expectation that is no text', sql('database: a, query: x, expect: 3'), /expect: /],
      ['a hook that is a command line', withField('quiesce:\n  before: sync\n'), /^estate\.yaml:13:15: servers\[0\]\.quiesce\.before: must be a list/],
      ['an unknown hook', withField('quiesce:\n  during: [x]\n'), /^estate\.yaml:13:7: servers\[0\]\.quiesce\.during: this field is not known/],
      ['a rate that looks like standing still', withField('onlineBackup: { rateLimitBytesPerSecond: 1 }\n'), /rateLimitBytesPerSecond: /],
      ['a latency of 0', withField('onlineBackup: { maxGuestLatencyMs: 0 }\n'), /maxGuestLatencyMs: /],
      ['a password as a credential', credential('account: root, store: vault, path: a, password: x'), /credentials\[0\]\.password: this field is not known/],
      ['an account with a colon', credential('account: "root:x", store: vault, path: a'), /credentials\[0\]\.account: 1 to 32 letters/],
      ['an account with a line feed', credential('account: "root\\nx", store: vault, path: a'), /credentials\[0\]\.account: /],
      ['an account that is an option', credential('account: "-e", store: vault, path: a'), /credentials\[0\]\.account: /],
      ['an account that leads elsewhere', credential('account: "../root", store: vault, path: a'), /credentials\[0\]\.account: /],
      ['a path with ..', credential('account: root, store: vault, path: a/../b'), /credentials\[0\]\.path: must be made of plain parts/],
      [
        'an account twice',
        withField('credentials: [{ account: a, store: v, path: p }, { account: a, store: v, path: q }]\n'),
        /credentials: accounts must be unique/,
      ],
      ['SSH without a host key', ssh('host: db01'), /^estate\.yaml:12:5: servers\[0\]\.ssh\.hostKey: /],
      ['a host key with a comment', ssh(`host: db01, hostKey: "${KEY} root@db01"`), /ssh\.hostKey: must be a public host key/],
      ['a private key as host key', ssh('host: db01, hostKey: "-----BEGIN OPENSSH PRIVATE KEY-----"'), /ssh\.hostKey: must be a public host key/],
      ['an SSH host that is an option', ssh(`host: "-oProxyCommand=id", hostKey: ${KEY}`), /ssh\.host: must be an IP address or the name of a host/],
      ['an SSH user that is an option', ssh(`host: db01, user: "-oProxyCommand=id", hostKey: ${KEY}`), /ssh\.user: must be the name of an account/],
      ['a password for SSH', ssh(`host: db01, password: x, hostKey: ${KEY}`), /ssh\.password: this field is not known/],
      [
        'an unknown kind of data set',
        dataSet('kind: mysql, databases: [a]'),
        /^estate\.yaml:13:26: servers\[0\]\.dataSets\[0\]\.kind: must be files or postgresql/,
      ],
      ['a data set without a kind', dataSet('paths: [/srv]'), /dataSets\[0\]\.kind: must be files or postgresql/],
      [
        'two data sets of one name',
        withField('dataSets:\n  - { name: a, kind: files, paths: [/srv] }\n  - { name: a, kind: postgresql, databases: [b] }\n'),
        /^estate\.yaml:12:5: servers\[0\]\.dataSets: names must be unique/,
      ],
      [
        'too many data sets',
        withField(`dataSets:\n${Array.from({ length: 51 }, (_, i) => `  - { name: d${i}, kind: files, paths: [/srv] }\n`).join('')}`),
        /servers\[0\]\.dataSets: /,
      ],
      ['a data set without a name', withField('dataSets:\n  - { kind: files, paths: [/srv] }\n'), /^estate\.yaml:13:9: servers\[0\]\.dataSets\[0\]\.name: /],
      [
        'a data set with a path as its name',
        withField('dataSets:\n  - { name: ../x, kind: files, paths: [/srv] }\n'),
        /^estate\.yaml:13:17: servers\[0\]\.dataSets\[0\]\.name: must be 1 to 40 lower-case letters/,
      ],
      ['a data set that is an option', withField('dataSets:\n  - { name: "-a", kind: files, paths: [/srv] }\n'), /dataSets\[0\]\.name: must be 1 to 40/],
      ['a data set in capitals', withField('dataSets:\n  - { name: Shop, kind: files, paths: [/srv] }\n'), /dataSets\[0\]\.name: must be 1 to 40/],
      ['databases of files', dataSet('kind: files, paths: [/srv], databases: [a]'), /dataSets\[0\]\.databases: this field is not known/],
      ['paths of databases', dataSet('kind: postgresql, databases: [a], paths: [/srv]'), /dataSets\[0\]\.paths: this field is not known/],
      ['files without paths', dataSet('kind: files'), /dataSets\[0\]\.paths: must be a list of absolute paths/],
      ['no path', files('[]'), /dataSets\[0\]\.paths/],
      ['a path instead of a list', files('/srv'), /dataSets\[0\]\.paths: must be a list of absolute paths/],
      ['a path inside another', files('[/srv, /srv/uploads]'), /^estate\.yaml:13:\d+: servers\[0\]\.dataSets\[0\]\.paths: no path may lie inside another/],
      ['a path inside another, the other way round', files('[/srv/uploads, /srv]'), /paths: no path may lie inside another/],
      ['a path twice', files('[/srv, /srv]'), /paths: no path may lie inside another/],
      ['a path beside the root', files('[/, /srv]'), /paths: no path may lie inside another/],
      ['a relative path', files('[srv]'), /^estate\.yaml:13:\d+: servers\[0\]\.dataSets\[0\]\.paths\[0\]: must be an absolute path/],
      ['a relative path behind an absolute one', files('[/srv, ./x]'), /paths\[1\]: must be an absolute path/],
      ['a path with ..', files('[/srv/../etc]'), /paths\[0\]: must not contain "\." or "\.\."/],
      ['a path with .', files('[/srv/./x]'), /paths\[0\]: must not contain "\."/],
      ['a path that ends with /', files('[/srv/]'), /paths\[0\]: must not end with "\/"/],
      ['a path with //', files('[/srv//x]'), /paths\[0\]: must not end with "\/" or contain "\/\/"/],
      ['a path with a newline', files('["/srv/a\\nb"]'), /paths\[0\]: must not contain control characters/],
      ['too many paths', files(`[${Array.from({ length: 101 }, (_, i) => `/p${i}`).join(', ')}]`), /paths: must not have more than 100 parts/],
      ['a pattern with a NUL', dataSet('kind: files, paths: [/srv], excludes: ["a\\0"]'), /excludes\[0\]: must not contain control characters/],
      ['an empty pattern', dataSet('kind: files, paths: [/srv], excludes: [""]'), /excludes\[0\]: /],
      ['no database', databases('[]'), /dataSets\[0\]\.databases/],
      ['a database instead of a list', databases('shop'), /databases: must be a list of databases/],
      ['a database twice', databases('[shop, shop]'), /databases: databases must be unique/],
      ['a connection string as a database to save', databases('["host=evil dbname=x"]'), /databases\[0\]: must be the plain name of a database/],
      ['a URI as a database to save', databases('["postgresql://evil/x"]'), /databases\[0\]: must be the plain name/],
      ['a database to save that is an option', databases('[shop, "--file=/etc/passwd"]'), /databases\[1\]: must be the plain name/],
      ['a database to save with a newline', databases('["a\\nb"]'), /databases\[0\]: must not contain control characters/],
      ['a database whose name is too long', databases(`[${'x'.repeat(64)}]`), /databases\[0\]: /],
      ['an empty database', databases('[""]'), /databases\[0\]: /],
      ['an account that is an option', database('databases: [a], osUser: "-x"'), /osUser: must be the name of an account/],
      ['an account with a space', database('databases: [a], osUser: "a b"'), /osUser: must be the name of an account/],
      ['a superuser that is an option', database('databases: [a], user: "-x"'), /user: must not begin with "-"/],
      ['a relative spool', database('databases: [a], spoolDirectory: spool'), /spoolDirectory: must be an absolute path/],
      ['the root as spool', database('databases: [a], spoolDirectory: /'), /spoolDirectory: must not be "\/" or a directory directly below it/],
      ['/tmp as spool', database('databases: [a], spoolDirectory: /tmp'), /spoolDirectory: must not be "\/"/],
      ['a spool with ..', database('databases: [a], spoolDirectory: /var/tmp/../..'), /spoolDirectory: must not contain/],
      ['port 0 of a database', database('databases: [a], port: 0'), /port: /],
      ['a program before that is a command line', database('databases: [a], before: "sync; sync"'), /before: must be a list: the program, then its arguments/],
      ['__proto__ in a data set', database('databases: [a], __proto__: {a: 1}'), /this field is not known/],
    ])('refuses %s', (_what, text, expected) => {
      expect(errorsOf(text)[0]).toMatch(expected);
    });
  });

  it('takes a Japanese name', () => {
    expect(parse(GOOD.replace('name: db01', 'name: 資料庫01\n    domain: db01')).servers[0]?.name).toBe('資料庫01');
  });

  it('refuses references that multiply', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nservers: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;
    expect(errorsOf(bomb)[0]).toMatch(/references/);
  });

  it('refuses what is nested without end, before it is read', () => {
    const started = processorTimeMs();
    expect(errorsOf(`servers: ${'['.repeat(100_000)}`)[0]).toMatch(/^estate\.yaml:1:1: is nested more than/);
    expect(errorsOf('- '.repeat(100_000))[0]).toMatch(/^estate\.yaml/);
    expect(processorTimeMs() - started).toBeLessThan(5_000);
  });

  it('refuses what is too large, and what is not text', () => {
    expect(errorsOf(Buffer.alloc(MAX_ESTATE_BYTES + 1, 0x20))[0]).toMatch(/larger than 2 MiB/);
    expect(errorsOf(Buffer.from([0xff, 0xfe, 0x00]))[0]).toMatch(/not UTF-8/);
  });

  it('does not mistake quotes and brackets in comments for nesting', () => {
    expect(parse(`# it's [[[ fine\n${GOOD}`).servers).toHaveLength(1);
  });
});

describe('what the API says of the estate', () => {
  const content = Buffer.from(GOOD);
  const placed = (...errors: readonly string[]): unknown =>
    placedInEstate('estate.yaml', content, new ModosuError('RELATION_INVALID', 'The request is not valid.', { hint: 'Mend it.', context: { errors } }));

  it('is said of the lines of its file', () => {
    expect(placed('estate.servers[0].name: is odd: very', 'estate.servers[0].gone.deeper: is missing', 'estate.nothing: too')).toMatchObject({
      code: 'RELATION_INVALID',
      message: 'estate.yaml has 3 errors.',
      hint: 'Mend it.',
      context: {
        errors: ['estate.yaml:9:11: servers[0].name: is odd: very', 'estate.yaml:9:5: servers[0].gone.deeper: is missing', 'estate.yaml:1:1: nothing: too'],
      },
    });
  });

  it('stays as it is where it is not of the estate alone, or no error of the API', () => {
    expect(placed('estate.servers[0].name: is odd', 'prune: is odd')).toMatchObject({ message: 'The request is not valid.' });
    const other = new ModosuError('HYPERVISOR_UNREACHABLE', 'gone');
    expect(placedInEstate('estate.yaml', content, other)).toBe(other);
    expect(placedInEstate('estate.yaml', content, 'x')).toBe('x');
  });
});
