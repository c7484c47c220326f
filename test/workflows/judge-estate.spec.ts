import { nightOccasion } from '../../src/contracts/judgement';
import type { ProbeJob } from '../../src/contracts/reading';
import { BACKUP } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const BEGUN_AT = '2026-03-03T04:00:00.000Z';
const jobFor = (serverId: string): ProbeJob => ({
  occasion: nightOccasion(serverId),
  sides: [{ relation: 'standby', peer: `peer-of-${serverId}`, of: 'peer' }],
  target: { serverId: `peer-of-${serverId}`, serverName: `peer-of-${serverId}`, uuid: BACKUP.uuid, hypervisor: BACKUP.hypervisor, address: null },
  specs: [{ name: 'lsn', type: 'lsn', of: 'peer', isCaptured: true, timeoutSeconds: 10, probe: { kind: 'command', argv: ['/bin/true'] } }],
});

/** What is written down of whom, and how many of their peers were asked at a time at most. */
async function play(pages: readonly (readonly string[])[], scripted: Scripted = {}) {
  const rest = [...pages];
  const written: string[] = [];
  const batches: (readonly string[])[] = [];
  const asked: string[] = [];
  let [now, most] = [0, 0];
  const rehearsal = new Rehearsal(stage, {
    dueJudgements: async () => ({ begunAt: BEGUN_AT, serverIds: rest.shift() ?? [], areMore: rest.length > 0 }),
    readingJobs: async ({ id, serverId, moment, planId }) => {
      expect([id, moment, planId]).toEqual([nightOccasion(serverId), 'plan', undefined]);
      return [jobFor(serverId)];
    },
    readMarkers: async ({ target, specs }) => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      asked.push(target.serverName);
      now -= 1;
      return { read: specs.length, failed: 0 };
    },
    judgeStored: async ({ begunAt, serverIds }) => {
      batches.push(serverIds);
      written.push(...serverIds.map((id) => `${id} judged ${begunAt}`));
      return { judged: serverIds.length, block: 0, unknown: 0 };
    },
    recordUnjudged: async ({ serverId, why }) => void written.push(`${serverId} ${why.code}`),
    recordUnread: async ({ target }, { code }) => void written.push(`${target.serverName} not read: ${code}`),
    ...scripted,
  });
  const closed = await rehearsal.play('judgeEstate', undefined);
  return { closed, written, batches, asked, most };
}

const servers = (count: number, from = 0): readonly string[] => Array.from({ length: count }, (_, index) => `srv${from + index}`);

describe('judging an estate', () => {
  it('asks the peers of every server for which it is due, some at a time, and then judges it', async () => {
    const due = servers(45);
    const { closed, written, batches, asked, most } = await play([due]);
    expect(closed).toBe('COMPLETED');
    expect(written).toEqual(due.map((id) => `${id} judged ${BEGUN_AT}`));
    expect(asked.toSorted()).toEqual(due.map((id) => `peer-of-${id}`).toSorted());
    expect(batches.map(({ length }) => length)).toEqual([20, 20, 5]);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('goes on in a new history when there are more', async () => {
    const { closed, written } = await play([servers(3), servers(2, 3)]);
    // `play` waits for what the first has become.
    expect([closed, written]).toEqual(['COMPLETED', servers(5).map((id) => `${id} judged ${BEGUN_AT}`)]);
  });

  it('does nothing when nothing is asked for', async () => {
    expect(await play([[]])).toMatchObject({ closed: 'COMPLETED', written: [], batches: [] });
  });

  it('writes down of one that cannot be asked that it is not known, and judges the others', async () => {
    const { closed, written } = await play([['srv0', 'srv1', 'srv2']], {
      readingJobs: async ({ serverId }) => (serverId === 'srv1' ? failing('SERVER_NOT_FOUND', 'gone')() : [jobFor(serverId)]),
      readMarkers: async ({ target, specs }) =>
        target.serverName === 'peer-of-srv2' ? failing('HYPERVISOR_NOT_CONFIGURED', 'no such hypervisor')() : { read: specs.length, failed: 0 },
    });
    expect(closed).toBe('COMPLETED');
    expect(written).toEqual([
      'srv1 SERVER_NOT_FOUND',
      'peer-of-srv2 not read: HYPERVISOR_NOT_CONFIGURED',
      `srv0 judged ${BEGUN_AT}`,
      `srv2 judged ${BEGUN_AT}`,
    ]);
  });
});
