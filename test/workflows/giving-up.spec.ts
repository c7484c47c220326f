import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { toFailure } from '../../activities/failures';
import { ModosuError, type ErrorSummary } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import { bundleWorkflowsForTests, startTemporalForTests, type TestTemporal } from '../support/temporal';

jest.setTimeout(180_000);

describe('a run that gives up on a part that stays away', () => {
  let temporal: TestTemporal;
  let worker: Worker;
  let running: Promise<void>;
  let look: () => Promise<void>;

  beforeAll(async () => {
    temporal = await startTemporalForTests();
    worker = await Worker.create({
      connection: temporal.environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue: 'giving-up',
      dataConverter: temporal.dataConverter,
      workflowBundle: await bundleWorkflowsForTests(join(__dirname, '../support/fixtures/giving-up-workflow.ts')),
      activities: { look: () => look() },
    });
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
    await temporal.close();
  });

  const saysAbout = (queue: string): Promise<ErrorSummary> =>
    temporal.client.client.workflow.execute<(taskQueue: string) => Promise<ErrorSummary>>('giveUp', {
      workflowId: newId('run'),
      taskQueue: 'giving-up',
      args: [queue],
    });

  it('says what the last attempt met, not that nobody answered', async () => {
    let attempts = 0;
    look = () => {
      attempts += 1;
      return Promise.reject(toFailure(new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirt on local does not answer.')));
    };
    expect(await saysAbout('giving-up')).toMatchObject({
      code: 'HYPERVISOR_UNREACHABLE',
      message: 'libvirt on local does not answer.',
      hint: expect.stringContaining('systemctl start libvirtd') as string,
    });
    expect(attempts).toBeGreaterThan(1);
  });

  it('says that no worker answered when none did', async () => {
    expect(await saysAbout('nobody-polls-this')).toMatchObject({ code: 'NO_WORKER', hint: expect.stringContaining('modosu worker') as string });
  });
});
