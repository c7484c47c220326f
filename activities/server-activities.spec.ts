import { MockActivityEnvironment } from '@temporalio/testing';
import { ModosuError } from '../src/contracts/errors';
import type { RunInput } from '../src/contracts/workflows';
import type { ActivityDependencies } from './dependencies';
import { ServerCalls } from './server-activities';

const INPUT = { runId: 'run_1', serverId: 'srv_1', serverName: 'db01', uuid: 'u', hypervisor: 'kvm1', agentTimeoutSeconds: 40 } as unknown as RunInput;

const callsWithAgent = (waitUntilAnswering: () => Promise<void>): ServerCalls =>
  new ServerCalls({ hypervisor: async () => ({ guestAgent: () => ({ waitUntilAnswering }) }) } as unknown as ActivityDependencies);

describe('waitForAgent', () => {
  const wait = (error: ModosuError): Promise<unknown> =>
    new MockActivityEnvironment().run(() => callsWithAgent(() => Promise.reject(error)).waitForAgent(INPUT));

  it("gives up for good when its time is over: a server that never answers must not stay in the old one's place for the minutes of further attempts", async () => {
    const summary = { code: 'AGENT_SILENT', message: 'The guest agent of db01 did not answer within 40 s.' };
    await expect(wait(new ModosuError('AGENT_SILENT', summary.message))).rejects.toMatchObject({
      type: 'AGENT_SILENT',
      nonRetryable: true,
      message: summary.message,
      details: [summary],
    });
  });

  it('is tried again when it was libvirt that did not answer', async () => {
    await expect(wait(new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is away.'))).rejects.toMatchObject({
      name: 'ModosuError',
      code: 'HYPERVISOR_UNREACHABLE',
      retry: 'later',
    });
  });
});
