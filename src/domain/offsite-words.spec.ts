import { offsiteMeaning } from './offsite-words';

it.each([
  ['credentials', 'subprocess ssh: backup@vault: Permission denied (publickey).'],
  ['credentials', 'subprocess ssh: Host key verification failed.'],
  ['credentials', 'Fatal: unable to open config file: Stat: Access Denied.'],
  ['credentials', 'Fatal: create repository failed: InvalidAccessKeyId'],
  ['credentials', 'Fatal: unable to open config file: Stat: The request signature we calculated does not match the signature you provided. Check your key.'],
  ['credentials', 'Fatal: unable to open config file: Stat: The AWS Access Key Id you provided does not exist in our records.'],
  ['credentials', 'Fatal: unable to open config file: Stat: The provided token has expired.'],
  ['credentials', "rclone: didn't find section in config file"],
  ['unreachable', 'subprocess ssh: ssh: connect to host vault port 22: No route to host'],
  ['unreachable', 'read /mnt/vault/data/56/56551f58: input/output error'],
  ['unreachable', 'Fatal: unable to open repository at sftp:vault:/x: unable to start the sftp session, error: EOF'],
  [null, 'Fatal: something else'],
  // A file of this name in a message is no end of its own.
  [null, 'unable to save /srv/permission denied'],
])('%s: %s', (meaning, words) => {
  expect(offsiteMeaning(words)).toBe(meaning);
});
