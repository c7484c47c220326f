import type { CommandOutcome } from '../../../system/child-process';
import { Domains } from './domains';
import { Fences } from './fence';
import { FENCE_NAMESPACE } from './fence-xml';
import { Power } from './power';
import { Stops } from './stops';
import { Virsh } from '../virsh';

const UUID = '3f0c9c1e-1111-4222-8333-444455556666';
const SERVER = { uuid: UUID, name: 'db01' };
const FENCE = { runId: 'run_01aaaaaaaaaaaaaaaaaaaaaaaa', token: 7 };

/** virsh in front of one server. Each look at its state takes the next of these, the last one stays; so does each `start`. */
class ScriptedVirsh extends Virsh {
  readonly asked: string[] = [];
  states: string[] = ['shut off'];
  reasons: string[] = ['starting up'];
  starts: number[] = [0];

  constructor() {
    super({ name: 'local', uri: 'qemu:///system', stateDirectory: '/nonexistent' });
  }

  override async runOn(_uuid: string, command: string): Promise<string> {
    if (command === 'dumpxml') {
      const fence = `<modosu:fence xmlns:modosu='${FENCE_NAMESPACE}' run='${FENCE.runId}' token='${FENCE.token}'/>`;
      return `<domain type='qemu'><name>db01</name><uuid>${UUID}</uuid><memory>1024</memory><metadata>${fence}</metadata><os><type arch='x86_64' machine='q35'>hvm</type></os><devices/></domain>`;
    }
    if (command === 'domstate') return `paused (${next(this.reasons)})\n`;
    const state = next(this.states);
    return `Id:             ${state === 'shut off' ? '-' : '7'}\nState:          ${state}\nPersistent:     yes\nManaged save:   no\n`;
  }

  override async attemptOn(_uuid: string, command: string): Promise<CommandOutcome> {
    this.asked.push(command);
    return {
      exitCode: command === 'start' ? next(this.starts) : 0,
      signal: null,
      truncated: false,
      timedOut: false,
      stdout: '',
      stderr: 'error: cannot acquire state change lock',
    };
  }
}

const next = <T>(values: T[]): T => (values.length > 1 ? values.shift() : values[0]) as T;

describe('a start', () => {
  let virsh: ScriptedVirsh;
  let power: Power;
  beforeEach(() => {
    virsh = new ScriptedVirsh();
    const domains = new Domains(virsh);
    power = new Power(virsh, domains, new Fences(virsh, domains), new Stops('/nonexistent'));
  });

  it('waits for one that is under way, and asks for no second', async () => {
    virsh.states = ['paused', 'paused', 'running'];
    await power.start(SERVER, FENCE);
    expect(virsh.asked).toEqual([]);
  });

  it('that is refused because another is under way lets that one end', async () => {
    virsh.states = ['shut off', 'paused', 'running'];
    virsh.starts = [1];
    await power.start(SERVER, FENCE);
    expect(virsh.asked).toEqual(['start']);
  });

  it('says that somebody has paused the server', async () => {
    virsh.states = ['paused'];
    virsh.reasons = ['user'];
    await expect(power.start(SERVER, FENCE)).rejects.toMatchObject({ code: 'START_FAILED' });
    expect(virsh.asked).toEqual([]);
  });
});
