import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { WorkerFactory } from './worker-factory';

jest.mock('@temporalio/worker', () => ({ NativeConnection: {}, Worker: { create: jest.fn(async () => ({})) } }));

describe('workers that copy or change servers', () => {
  const factory = new WorkerFactory({ connection: {} as NativeConnection, namespace: 'modosu', dataConverter: {} });

  const makers: readonly (readonly [kind: string, make: () => Promise<unknown>, taskQueue: string])[] = [
    ['host', () => factory.host('kvm1', {}), 'host.kvm1'],
    ['transfer', () => factory.transfer('kvm1', 2, {}), 'host.kvm1.transfer'],
  ];
  it.each(makers)('hear of a cancellation within seconds: %s', async (_kind, make, taskQueue) => {
    await make();
    const options = jest.mocked(Worker.create).mock.lastCall?.[0] as WorkerOptions;
    expect(options).toMatchObject({ taskQueue, maxHeartbeatThrottleInterval: '5s', defaultHeartbeatThrottleInterval: '5s' });
  });
});
