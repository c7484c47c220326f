import { isResticSupported, resticOutcome, resticVersion, resticWords, type ResticOutcome } from './restic-outcome';

const WHERE = 'Is there a repository at the following location?\nrest:http://srvA:***@127.0.0.1:18733/srvA/\n';
const RETRY = 'returned error, retrying after 552.330144ms:';

/** As restic 0.14.0 has said it, in front of `rclone serve restic` 1.60. */
const REAL: readonly (readonly [what: string, exitCode: number | null, stderr: string, outcome: ResticOutcome])[] = [
  [
    'an exclusive lock',
    1,
    'unable to create lock in backend: repository is already locked exclusively by PID 24169 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-26 04:22:38 (506.324328ms ago)\nstorage ID 709e1587\nthe `unlock` command can be used to remove stale locks\n',
    'locked',
  ],
  ['a wrong password', 1, 'Fatal: wrong password or no key found\n', 'wrong-password'],
  ['a login that is not known', 1, `Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\n${WHERE}`, 'wrong-password'],
  ["another server's repository", 1, `Fatal: unable to open config file: unexpected HTTP response (403): 403 Forbidden\n${WHERE}`, 'wrong-password'],
  [
    "making another server's repository",
    1,
    'Fatal: create repository at rest:http://srvA:***@127.0.0.1:18733/srvB/ failed: Fatal: server response unexpected: 403 Forbidden (403)\n',
    'wrong-password',
  ],
  ['no repository', 1, `Fatal: unable to open config file: <config/> does not exist\n${WHERE}`, 'no-repository'],
  [
    'nobody listening',
    1,
    `Fatal: unable to open config file: client.Head: Head "http://srvA:***@127.0.0.1:1/srvA/config": dial tcp 127.0.0.1:1: connect: connection refused\n${WHERE}`,
    'unreachable',
  ],
  [
    'an unknown host',
    1,
    `Fatal: unable to open config file: client.Head: Head "http://srvA:***@nohost.invalid:1/srvA/config": dial tcp: lookup nohost.invalid on 10.255.255.53:53: no such host\n${WHERE}`,
    'unreachable',
  ],
  [
    'an unknown certificate',
    1,
    `Fatal: unable to open config file: client.Head: Head "https://srvB:***@127.0.0.1:18735/srvB/config": x509: certificate signed by unknown authority\n${WHERE}`,
    'unreachable',
  ],
  [
    'a server without TLS',
    1,
    `Fatal: unable to open config file: client.Head: Head "https://srvB:***@127.0.0.1:18733/srvB/config": http: server gave HTTP response to HTTPS client\n${WHERE}`,
    'unreachable',
  ],
  [
    'a server that went away',
    null,
    `List(lock) ${RETRY} List: Get "http://srvA:***@127.0.0.1:18733/srvA/locks/": dial tcp 127.0.0.1:18733: connect: connection refused\n`,
    'unreachable',
  ],
  [
    'a server whose disk is full: it says no more than that',
    null,
    `Save(<data/7445b485a3>) ${RETRY} server response unexpected: 500 Internal Server Error (500)\nSave(<data/7445b485a3>) ${RETRY} server response unexpected: 403 Forbidden (403)\n`,
    'unreachable',
  ],
  ['a full disk under a restore', 1, 'ignoring error for /srv/big: write /restored/srv/big: no space left on device\nFatal: There were 3 errors\n', 'no-space'],
  [
    'a damaged pack of data',
    1,
    'cannot dump file: decrypting blob c8e01da5feac49eae1d9c2bdb640954406a37496a2d7511df218ff22b50e0575 failed: ciphertext verification failed\n',
    'damaged',
  ],
  ['a damaged pack of trees', 1, 'error walking snapshot: walking tree 9b0b84: decrypting blob 6f158b failed: ciphertext verification failed\n', 'damaged'],
  [
    'a pack whose content is not what its name says, as `check` tells it',
    1,
    'Pack ID does not match, want 54d8, got 3806\nFatal: repository contains errors\n',
    'damaged',
  ],
  ['the same of a pack that is missing', 1, 'pack 54d8d504: does not exist\nFatal: repository contains errors\n', 'damaged'],
  [
    'the same in JSON',
    1,
    '{"message_type":"error","error":{"message":"pack 54d8d504: does not exist"}}\n{"message_type":"exit_error","message":"Fatal: repository contains errors"}\n',
    'damaged',
  ],
  ['`check` that says nothing more exact', 1, 'something new\nFatal: repository contains errors\n', 'damaged'],
  [
    '`check` whose server went away',
    1,
    'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused\nFatal: repository contains errors\n',
    'unreachable',
  ],
  ['a damaged index', 1, 'Fatal: load <index/344e2d6696>: invalid data returned\n', 'repository-damaged'],
  ['a damaged snapshot', 2, 'loading snapshot "1ff2df42" failed: load <snapshot/1ff2df42c2>: invalid data returned\n', 'damaged'],
  ['a damaged config', 1, 'Fatal: config or key e792bc4695 is damaged: ciphertext verification failed\n', 'repository-damaged'],
  ['a damaged key', 1, "Fatal: Unmarshal: invalid character ';' after object key\n", 'repository-damaged'],
  ['a missing pack', null, `Load(<data/e403efe5c1>, 1219663, 135) ${RETRY} <data/e403efe5c1> does not exist\n`, 'damaged'],
  ['a path that is not in the snapshot', 2, 'cannot dump file: path "/nope" not found in snapshot\n', 'failed'],
  ['a snapshot that is not there', 1, 'invalid id "0000": no matching ID found for prefix "0000"\n', 'failed'],
  [
    'a removal that is refused',
    1,
    `Remove(<snapshot/28f0ad299c>) ${RETRY} blob not removed, server response: 403 Forbidden (403)\nunable to remove <snapshot/28f0ad299c> from the repository\n`,
    'removal-refused',
  ],
  ['a file that cannot be removed', null, `Remove(<data/56551f584d>) ${RETRY} remove v/data/56/56551f: operation not permitted\n`, 'removal-refused'],
  ['a lock that cannot be removed', 1, `Remove(<lock/56551f584d>) ${RETRY} remove v/locks/56551f: operation not permitted\n`, 'failed'],
  [
    'a directory that holds no repository',
    1,
    'Fatal: unable to open config file: stat /mnt/vault/config: no such file or directory\nIs there a repository at the following location?\n/mnt/vault\n',
    'no-repository',
  ],
  ['nothing to back up', 1, '/srv/nope does not exist, skipping\nFatal: all target directories/files do not exist\n', 'failed'],
  ['files that could not be read', 3, 'Warning: at least one source file could not be read\n', 'partial'],
  ['a signal', null, '', 'failed'],
];

describe('what an end of restic means', () => {
  it.each(REAL)('%s', (_, exitCode, stderr, outcome) => {
    expect(resticOutcome({ version: '0.14.0', exitCode, stderr })).toBe(outcome);
  });

  it('is ok for exit code 0 alone, whatever was said', () => {
    expect(resticOutcome({ version: '0.14.0', exitCode: 0, stderr: '/srv/nope does not exist, skipping\n' })).toBe('ok');
    for (const exitCode of [null, 1, 2, 4, 9, 10, 99, 124, 130, 255]) expect(resticOutcome({ version: '0.14.0', exitCode, stderr: '' })).toBe('failed');
  });

  it('takes the codes of newer versions from those alone', () => {
    const outcomes = (version: string | null): readonly ResticOutcome[] => [10, 11, 12, 13].map((exitCode) => resticOutcome({ version, exitCode, stderr: '' }));
    expect(outcomes('0.17.0')).toEqual(['no-repository', 'locked', 'wrong-password', 'failed']);
    expect(outcomes('1.0.0')).toEqual(['no-repository', 'locked', 'wrong-password', 'failed']);
    expect(outcomes('0.16.4')).toEqual(['failed', 'failed', 'failed', 'failed']);
    expect(outcomes(null)).toEqual(['failed', 'failed', 'failed', 'failed']);
  });

  it('still judges the text where a newer version says 1', () => {
    expect(
      resticOutcome({
        version: '0.18.0',
        exitCode: 1,
        stderr: 'Fatal: unable to open config file: Head "https://h/": dial tcp 10.0.0.1:443: connect: connection refused\n',
      }),
    ).toBe('unreachable');
  });
});

describe('the version of restic', () => {
  it('is read from what it prints', () => {
    expect(resticVersion('restic 0.14.0 compiled with go1.19.8 on linux/amd64\n')).toBe('0.14.0');
    expect(resticVersion('restic 0.17.3-dev (compiled manually) compiled with go1.23 on linux/amd64\n')).toBe('0.17.3');
    expect(resticVersion('restic 12.34.56 compiled with go1.23 on linux/amd64\n')).toBe('12.34.56');
    for (const text of ['it is no restic 0.14.0', '', 'bash: restic: command not found', 'rustic 0.14.0', 'restic 0.14']) {
      expect(resticVersion(text)).toBeNull();
    }
  });
  it('has to be 0.14 or newer', () => {
    expect(['0.14.0', '0.14.1', '0.15.0', '0.100.0', '1.0.0'].map(isResticSupported)).not.toContain(false);
    expect(['0.13.9', '0.9.6', '0.0.0'].map(isResticSupported)).not.toContain(true);
  });
});

describe("restic's words", () => {
  it('are one line without stack traces, control characters and secrets', () => {
    const stderr = [
      'decrypting blob 6f15 failed: ciphertext verification failed',
      'github.com/restic/restic/internal/repository.(*Repository).LoadBlob',
      '\tgithub.com/restic/restic/internal/repository/repository.go:303',
      'main.runLs',
      'runtime.goexit',
      'Head "http://srvA:s3cret@127.0.0.1/": \u001b[31mgone',
      '',
    ].join('\n');
    expect(resticWords(stderr, ['s3cret'])).toBe(
      'decrypting blob 6f15 failed: ciphertext verification failed; Head "http://srvA:[redacted]@127.0.0.1/":  [31mgone',
    );
  });
  it('lose nothing that only looks like a trace, and no words to blanks', () => {
    const stderr = ['   ', '  lstat /srv/domain.xml: permission denied \u001b\u0007 twice', 'srv/files/report.v2 could not be read', '\t', ''].join('\n');
    expect(resticWords(stderr, [])).toBe('lstat /srv/domain.xml: permission denied   twice; srv/files/report.v2 could not be read');
  });
  it('are short', () => {
    expect(resticWords('x'.repeat(5000), [])).toBe(`${'x'.repeat(600)} …`);
    expect(resticWords('x'.repeat(600), [])).toBe('x'.repeat(600));
    expect(resticWords('same\nsame\nsame\n', [])).toBe('same');
  });
});

it('a file that could not be saved because the storage is full is told by number where restic speaks JSON', () => {
  const said = (number: number): string =>
    `{"message_type":"error","error":{"Op":"write","Path":"/mnt/data/6a/6abe-tmp-1","Err":${number}},"during":"archival","item":"/a"}`;
  expect(resticOutcome({ version: '0.14.0', exitCode: 3, stderr: said(28) })).toBe('no-space');
  expect(resticOutcome({ version: '0.14.0', exitCode: null, stderr: `Save() failed\n${said(122)}` })).toBe('no-space');
  expect(resticOutcome({ version: '0.14.0', exitCode: 3, stderr: said(5) })).toBe('partial');
  expect(resticOutcome({ version: '0.14.0', exitCode: 3, stderr: `{"message_type":"error","error":{},"item":${JSON.stringify(said(28))}}` })).toBe('partial');
});
