import { FakeDataRepository } from '../support/fake-data-repository';
import { describeDataRepository } from './data-repository.contract';

describeDataRepository('in memory', async () => {
  const repository = new FakeDataRepository();
  let taken = 0;
  return {
    repository,
    take: async (serverId, { hostname, tags, files }) => {
      taken += 1;
      const root = `/srv/${taken}`;
      const snapshotId = repository.take(serverId, {
        hostname,
        tags,
        paths: [root],
        files: Object.fromEntries(Object.entries(files).map(([path, content]) => [`${root}/${path}`, Buffer.from(content)])),
      });
      return { snapshotId, root };
    },
    lose: (serverId) => repository.lose(serverId),
    dispose: () => Promise.resolve(),
  };
});
