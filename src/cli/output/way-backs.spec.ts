import type { WayBackView } from '../../contracts/way-back';
import { wayBackText } from './way-backs';

const NOW = new Date('2026-03-01T00:00:00.000Z');
const wayBack: WayBackView = {
  runId: 'run_1',
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'open',
  wasGone: false,
  nvramPath: null,
  data: null,
  before: { powerState: 'running', agent: 'answering' },
  lineageBefore: 'a',
  lineageAfter: 'b',
  volumes: [{ target: 'vda', path: '/disks/vda.qcow2', allocatedBytes: 1024 ** 3 }],
  createdAt: '2026-02-28T00:00:00.000Z',
  expiresAt: '2026-03-07T00:00:00.000Z',
  wentLiveAt: '2026-02-28T00:10:00.000Z',
  closedBy: null,
  closedAt: null,
};

describe('a way back on a terminal', () => {
  it('says what is kept and until when', () => {
    expect(wayBackText(wayBack, NOW)).toMatch(
      /state +open: the old volumes are kept\n.*holds +1 GiB\n.*\n.*lives until +\S+ \S+, 6 d from now; then the old volumes are deleted/,
    );
    expect(wayBackText({ ...wayBack, expiresAt: '2026-02-28T12:00:00.000Z' }, NOW)).toContain('over: the old volumes are deleted soon');
  });

  it('of a server that was gone promises no old volumes', () => {
    const text =
      wayBackText({ ...wayBack, wasGone: true, volumes: [] }, NOW) +
      wayBackText({ ...wayBack, wasGone: true, volumes: [], expiresAt: '2026-02-28T12:00:00.000Z' }, NOW);
    expect(text).toMatch(
      /state +open: nothing was there to be kept\n.*holds +nothing: the hypervisor did not know the server\n.*lives until +\S+ \S+, 6 d from now; then it is closed/,
    );
    expect(text).toContain('over: it is closed soon');
    expect(text).not.toContain('old volumes');
  });
});
