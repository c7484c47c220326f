import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataLab } from '../support/data-lab';
import { describeDataRepository } from './data-repository.contract';

// A limit for what hangs: a machine that is slow, or busy, takes a minute for the longest of them.
jest.setTimeout(240_000);

describeDataRepository('restic behind rclone', async () => {
  const lab = await DataLab.start();
  let taken = 0;
  return {
    repository: lab.repository,
    take: async (serverId, { hostname, tags, files }) => {
      taken += 1;
      const root = lab.files(`taken-${taken}`, files);
      return { snapshotId: await lab.backUp(serverId, [root], { host: hostname, tags }), root };
    },
    lose: (serverId) => rmSync(join(lab.stored, serverId), { recursive: true }),
    dispose: () => lab.dispose(),
  };
});
