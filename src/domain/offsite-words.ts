/**
 * What restic, ssh, rclone and object stores say about places far away, where `resticOutcome` knows nothing more exact. Texts of restic 0.14, OpenSSH 9 and
 * rclone 1.60 were seen; those of object stores are the error codes of their protocol, and the sentences beside them, which are all that restic tells.
 */
const WORDS: readonly (readonly [meaning: 'credentials' | 'unreachable', pattern: RegExp])[] = [
  [
    'credentials',
    /\bPermission denied \((?:publickey|password|keyboard|gssapi)|\bHost key verification failed\b|\bAccess ?Denied\b|\bInvalidAccessKeyId\b|\bSignatureDoesNotMatch\b|\bExpiredToken\b|\brequest signature we calculated does not match\b|\bAccess Key Id you provided does not exist\b|\bprovided token has expired\b|\bdidn't find section in config file\b|\b(?:unexpected HTTP response|server response unexpected)\W+40[13]\b/i,
  ],
  [
    'unreachable',
    /\binput\/output error\b|\bstale (?:NFS )?file handle\b|\btransport endpoint is not connected\b|\bssh: (?:connect to host|Could not resolve)|\bunable to start the sftp session\b|\berror talking HTTP to rclone\b|\bNoSuchBucket\b|\bThe specified bucket does not exist\b/i,
  ],
];

/** Null: nobody knows. */
export const offsiteMeaning = (words: string): 'credentials' | 'unreachable' | null => WORDS.find(([, pattern]) => pattern.test(words))?.[0] ?? null;
