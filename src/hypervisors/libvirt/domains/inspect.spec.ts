import type { CommandOutcome } from '../../../system/child-process';
import { Domains } from './domains';
import { Inspector } from './inspect';
import { Virsh } from '../virsh';

const UUID = '3f0c9c1e-1111-4222-8333-444455556666';
const DEFINITION = `<domain type='qemu'><name>db01</name><uuid>${UUID}</uuid><memory unit='KiB'>262144</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>`;
const RUNS = 'Id:             7\nState:          running\nPersistent:     yes\nManaged save:   no\n';
const IS_OFF = 'Id:             -\nState:          shut off\nPersistent:     yes\nManaged save:   no\n';

/** virsh in front of a server whose agent never answers; each look at its state finds the next of these, and then the last one for ever. */
class ScriptedVirsh extends Virsh {
  constructor(private readonly states: string[]) {
    super({ name: 'local', uri: 'qemu:///system', stateDirectory: '/nonexistent' });
  }

  override async runOn(_uuid: string, command: string): Promise<string> {
    if (command === 'dumpxml') return DEFINITION;
    return (this.states.length > 1 ? this.states.shift() : this.states[0]) ?? '';
  }

  override async attemptOn(): Promise<CommandOutcome> {
    return {
      exitCode: 1,
      signal: null,
      truncated: false,
      timedOut: false,
      stdout: '',
      stderr: 'error: Guest agent is not responding: QEMU guest agent is not connected',
    };
  }
}

const inspect = (...states: string[]) => {
  const virsh = new ScriptedVirsh(states);
  return new Inspector(virsh, new Domains(virsh), ['/']).inspect({ uuid: UUID, name: 'db01' });
};

describe('Inspector', () => {
  it('sees that a server whose agent is silent has died in this moment', async () => {
    expect(await inspect(RUNS, RUNS, IS_OFF)).toMatchObject({ powerState: 'off', agent: { state: 'silent' } });
  });

  it('believes that a server runs whose agent is silent and which goes on running', async () => {
    expect(await inspect(RUNS)).toMatchObject({ powerState: 'running', agent: { state: 'silent' } });
  });
});
