import { FakeDataRepository } from '../support/fake-data-repository';
import { FakeOffsiteRepository } from '../support/fake-offsite-repository';
import { describeOffsiteRepository } from './offsite-repository.contract';

describeOffsiteRepository('in memory', async () => {
  const source = new FakeDataRepository();
  const newData = new FakeDataRepository('127.0.0.1:2');
  let taken = 0;
  return {
    repository: new FakeOffsiteRepository('vault', { data: [source, newData] }),
    data: {
      repository: source,
      take: async (serverId, { hostname, tags, files }) => {
        taken += 1;
        const root = `/srv/${taken}`;
        const contents = Object.entries(files).map(([path, content]) => [`${root}/${path}`, Buffer.from(content)] as const);
        return { snapshotId: source.take(serverId, { hostname, tags, paths: [root], files: Object.fromEntries(contents) }), root };
      },
    },
    newData,
    dispose: () => Promise.resolve(),
  };
});
