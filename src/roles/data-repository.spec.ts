import { FakeDataRepository } from '../../test/support/fake-data-repository';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import { renewDataRepositories, renewText, runDataRepository, type DataRepositoryCommandParts } from './data-repository';

const REASON = 'the storage burnt';

describe('renewing data repositories', () => {
  const [db01, db02, web01] = ['db01', 'db02', 'web01'].map((name) => ({ id: newId('srv'), name }));
  const point = (server: { readonly id: string } | undefined, kind: 'image' | 'data', state: string) => ({
    id: newId('rp'),
    serverId: server?.id,
    kind,
    state,
  });
  const points = [
    point(db01, 'data', 'usable'),
    point(db01, 'data', 'expired'),
    point(db01, 'data', 'damaged'),
    point(db01, 'image', 'usable'),
    point(db02, 'data', 'usable'),
  ];
  let data: FakeDataRepository;
  let told: string[];
  let parts: DataRepositoryCommandParts;
  beforeEach(async () => {
    data = new FakeDataRepository();
    told = [];
    for (const server of [db01, db02]) await data.ensure(server?.id ?? '');
    parts = {
      data,
      catalog: {
        listServers: async () => [db01, db02, web01],
        listRecoveryPoints: async ({ state }: { readonly state?: string }) => ({ items: state === undefined ? points : [], nextCursor: null }),
        markRecoveryPoint: async (id: string, state: string, why: string) => void told.push(`${id} ${state}: ${why}`),
        audit: async ({ action, serverId, details }: { readonly action: string; readonly serverId: string; readonly details: object }) =>
          void told.push(`${action} ${serverId} ${JSON.stringify(details)}`),
      } as unknown as DataRepositoryCommandParts['catalog'],
    };
  });
  const presences = (): Promise<readonly string[]> => Promise.all([db01, db02, web01].map((server) => data.presence(server?.id ?? '')));

  it('those that are gone begin anew, and what was in them counts as damaged; the others stay', async () => {
    data.lose(db01?.id ?? '');
    const renewed = await renewDataRepositories(parts, { servers: [], reason: REASON, isDryRun: false });
    const lost = [points[0]?.id, points[1]?.id];
    expect(renewed).toEqual([
      { server: 'db01', presence: 'gone', renewed: true, lost, problem: null },
      { server: 'db02', presence: 'there', renewed: false, lost: [], problem: null },
      { server: 'web01', presence: 'never', renewed: false, lost: [], problem: null },
    ]);
    expect(told).toEqual([
      ...lost.map((id) => `${id} damaged: The data repository of db01 is lost: ${REASON}`),
      `data-repository.renewed ${db01?.id} {"reason":"${REASON}","lost":2}`,
    ]);
    expect(await presences()).toEqual(['never', 'there', 'never']);
    expect(renewText(renewed, { isDryRun: false })).toBe('db01: begins anew, without the 2 recovery points it held\ndb02: is there, and stays as it is\n');
  });

  it('a dry run changes nothing', async () => {
    data.lose(db02?.id ?? '');
    const renewed = await renewDataRepositories(parts, { servers: ['db02'], reason: '', isDryRun: true });
    expect(renewed).toMatchObject([{ server: 'db02', renewed: true, lost: [points[4]?.id] }]);
    expect(told).toEqual([]);
    expect(await presences()).toEqual(['there', 'gone', 'never']);
    expect(renewText(renewed, { isDryRun: true })).toBe(
      'Nothing was changed: this is what would be.\ndb02: is gone; would begin anew, without the 1 recovery point it held\n',
    );
  });

  it('one that is named and there is a mistake; a name nobody knows changes nothing', async () => {
    data.lose(db01?.id ?? '');
    const [one, two] = await renewDataRepositories(parts, { servers: ['db01', 'db02'], reason: REASON, isDryRun: false });
    expect(one).toMatchObject({ renewed: true });
    expect(two).toMatchObject({ renewed: false, presence: 'there', problem: { code: 'REQUEST_INVALID' } });
    told.length = 0;
    data.lose(db02?.id ?? '');
    await expect(renewDataRepositories(parts, { servers: ['db02', 'db03'], reason: REASON, isDryRun: false })).rejects.toMatchObject({
      code: 'SERVER_NOT_FOUND',
    });
    expect([told, await presences()]).toEqual([[], ['never', 'gone', 'never']]);
  });

  it('a server of repositories that does not answer says nothing of what is gone', async () => {
    data.lose(db01?.id ?? '');
    data.failWith = new ModosuError('DATA_REPOSITORY_UNREACHABLE', 'does not answer');
    const renewed = await renewDataRepositories(parts, { servers: [], reason: REASON, isDryRun: false });
    expect(renewed.map(({ presence, problem }) => [presence, problem?.code])).toEqual(Array(3).fill([null, 'DATA_REPOSITORY_UNREACHABLE']));
    expect(told).toEqual([]);
    expect(renewText(renewed, { isDryRun: false })).toContain('db01: DATA_REPOSITORY_UNREACHABLE: does not answer\n  ');
  });

  it('a death after its recovery points were marked: the next call goes on', async () => {
    data.lose(db01?.id ?? '');
    const dying = { ...parts, data: { presence: data.presence.bind(data), giveUp: () => Promise.reject(new Error('killed')) } };
    expect(await renewDataRepositories(dying, { servers: ['db01'], reason: REASON, isDryRun: false })).toMatchObject([
      { renewed: false, problem: { code: 'INTERNAL' } },
    ]);
    expect(await presences()).toEqual(['gone', 'there', 'never']);
    await renewDataRepositories(parts, { servers: ['db01'], reason: REASON, isDryRun: false });
    expect(await presences()).toEqual(['never', 'there', 'never']);
  });
});

it.each([
  [[], 'was not told what to do'],
  [['lose'], 'does not know "lose"'],
  [['renew', '--reason', 'x'], 'was not told which servers'],
  [['renew', '--all', '--server', 'db01', '--reason', 'x'], 'was told both'],
  [['renew', '--all'], 'was not told why'],
  [['renew', '--all', '--reason', 'x', '-o', 'xml'], 'knows no form "xml"'],
  [['renew', '--all', '--now'], 'cannot read what it was told'],
  [['renew', 'db01', '--reason', 'x'], 'cannot read what it was told'],
])('`modosu data-repository %j` is told what is wrong', async (args, words) => {
  await expect(runDataRepository({}, args, { write: () => undefined, say: () => undefined })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(words) as string,
  });
});
