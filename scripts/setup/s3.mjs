/** A server for S3 with versions and object lock, for tests alone: built once into the cache. */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildWithGo, findGo } from './go.mjs';
import { makeReachableDirectory, s3ServerPath, s3ServerVersion } from './paths.mjs';
import { isExecutable, withCleanup } from './programs.mjs';
import { SetupStopped } from './progress.mjs';

export const s3ServerIsThere = () => isExecutable(s3ServerPath);

/** The cache gets a whole file or none. */
export async function makeS3Server() {
  const directory = dirname(s3ServerPath);
  makeReachableDirectory(dirname(directory));
  const scratch = mkdtempSync(join(dirname(directory), '.s3-'));
  await withCleanup(
    () => rmSync(scratch, { recursive: true, force: true }),
    async () => {
      const go = await findGo('The S3 server of tests is built with Go, which is missing');
      if (go === null) throw new SetupStopped('The S3 server of tests is built with Go.\nWhat to do: install Go 1.21 or newer and start again.');
      const made = await buildWithGo(go, {
        title: `Building the S3 server of tests, versitygw ${s3ServerVersion}, with ${go}`,
        module: `github.com/versity/versitygw/cmd/versitygw@v${s3ServerVersion}`,
        directory: scratch,
        expected: '4 min on two cores',
        advice: 'check that the Go module proxy can be reached (go env GOPROXY).',
      });
      chmodSync(made, 0o755);
      mkdirSync(directory, { recursive: true, mode: 0o755 });
      renameSync(made, s3ServerPath);
    },
  );
}
