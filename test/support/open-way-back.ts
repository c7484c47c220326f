import type { WayBackView } from '../../src/contracts/way-back';

/** What run_1 keeps of db01, which is live since. */
export const openWayBack = (changes: Partial<WayBackView> = {}): WayBackView => ({
  runId: 'run_1',
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'open',
  wasGone: false,
  volumes: [],
  nvramPath: null,
  data: null,
  before: { powerState: 'running', agent: 'answering' },
  lineageBefore: 'l0',
  lineageAfter: 'l1',
  createdAt: '2026-03-02T10:00:00.000Z',
  expiresAt: '2026-03-09T10:00:00.000Z',
  wentLiveAt: '2026-03-02T10:01:00.000Z',
  closedBy: null,
  closedAt: null,
  ...changes,
});
