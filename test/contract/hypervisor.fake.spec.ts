import { join } from 'node:path';
import type { FakeHypervisor } from '../support/fake-hypervisor';
import { createFakeLab } from '../support/fake-lab';
import { pattern, transferContext } from '../support/hypervisor-lab';
import { describeHypervisor, newFence, refusedWith } from './hypervisor.contract';
import { describeIncrementalImages } from './hypervisor.incremental.contract';
import { describeOnlineBackup } from './hypervisor.online-backup.contract';
import { describeDiscardKept } from './hypervisor.discard-kept.contract';
import { describeSalvage } from './hypervisor.salvage.contract';
import { describeWayBack } from './hypervisor.way-back.contract';

describeHypervisor('fake', createFakeLab);
describeOnlineBackup('fake', createFakeLab, (lab) => {
  (lab.hypervisor as FakeHypervisor).faults.agentSilent = true;
});
describeIncrementalImages('fake', createFakeLab, (lab) => {
  (lab.hypervisor as FakeHypervisor).faults.agentSilent = true;
});
describeWayBack('fake', createFakeLab);
describeDiscardKept('fake', createFakeLab);
describeSalvage('fake', createFakeLab);

describe('faults of the fake hypervisor', () => {
  it('fail as often as asked, hang until aborted, keep silent, never stop, and vanish', async () => {
    const lab = await createFakeLab();
    const { hypervisor } = lab;
    try {
      const server = await lab.createServer({ disks: [{ target: 'vda', format: 'qcow2', content: pattern(1) }] });
      const fence = newFence();
      await hypervisor.takeFence(server, fence);

      hypervisor.failNext('start', 'START_FAILED');
      await expect(hypervisor.start(server, fence)).rejects.toEqual(refusedWith('START_FAILED'));
      await hypervisor.start(server, fence);
      const agent = hypervisor.guestAgent(server);
      await expect(agent.info(100)).resolves.toMatchObject({ commands: expect.any(Array) as unknown });
      hypervisor.faults.agentSilent = true;
      await expect(agent.waitUntilAnswering({ deadlineMs: 50, signal: new AbortController().signal })).rejects.toEqual(refusedWith('AGENT_SILENT'));

      hypervisor.faults.stopNeverEnds = true;
      await expect(hypervisor.shutDown(server, fence, { deadlineMs: 50, signal: new AbortController().signal })).rejects.toEqual(refusedWith('STOP_TIMED_OUT'));
      await hypervisor.powerOff(server, fence);

      hypervisor.faults.hangCopies.add('exportDisk');
      const stop = new AbortController();
      const context = transferContext(stop.signal);
      const copy = hypervisor.exportDisk(
        { server, target: 'vda', targetPath: join(lab.exportDirectory, 'vda.qcow2') },
        { ...context, onProgress: () => stop.abort(new Error('enough')) },
      );
      await expect(copy).rejects.toThrow('enough');

      hypervisor.vanish(server);
      await expect(hypervisor.powerState(server)).rejects.toEqual(refusedWith('SERVER_GONE'));
      expect(hypervisor.calls.filter((call) => call.startsWith('start'))).toHaveLength(2);
    } finally {
      await lab.dispose();
    }
  });
});
