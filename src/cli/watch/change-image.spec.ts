import type { ChangeView } from '../../contracts/change';
import type { DueBackupView } from '../../contracts/due-backup';
import type { RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { waitForChangeImage } from './change-image';

const COMPLETED = '2026-01-31T12:00:00.000Z';
const silent = { write: () => undefined };
const io: CliIo = { stdout: silent, stderr: silent, env: {}, now: () => new Date(), onInterrupt: () => () => undefined, readFile: async () => Buffer.from('') };

interface Estate {
  readonly run?: RunView['state'];
  readonly change: Pick<ChangeView, 'imageComes' | 'inServer'>;
}

/** One answer after the other; the last one stays. */
async function wait(...estates: readonly Estate[]): Promise<unknown> {
  let asked = 0;
  const now = (): Estate | undefined => estates[Math.min(asked, estates.length - 1)];
  const get = async (path: string) => {
    const run = now()?.run;
    if (path === '/v1/due-backups') {
      const due: Partial<DueBackupView> = { kind: 'image', state: 'started', dueAt: COMPLETED, runId: 'run_1', waitsFor: null };
      return { value: { items: run === undefined ? [] : [due] } };
    }
    if (path === '/v1/runs/run_1') return { value: { id: 'run_1', state: run, serverName: 'db01' } };
    const value = { id: 'chg_1', serverName: 'db01', recoveryPointId: null, ...now()?.change };
    asked += 1;
    return { value };
  };
  const change = { id: 'chg_1', serverId: 'srv_1', completedAt: COMPLETED };
  return waitForChangeImage(io, { get } as unknown as ApiClient, change, () => undefined, { timeoutMs: 10_000 });
}

const BACK = { imageComes: null, inServer: 'no' } as const;
const SPENT = { imageComes: null, inServer: 'yes' } as const;
const COMES = { imageComes: 'by-itself', inServer: 'yes' } as const;

describe('waiting for the image of a change', () => {
  it('is over where its server has gone back: what was imaged since without it is no failed run', async () => {
    const refused = { code: 'IMAGE_NOT_AWAITED', message: expect.stringContaining('has gone back to a time before it') as string };
    await expect(wait({ run: 'succeeded', change: BACK })).rejects.toMatchObject(refused);
    await expect(wait({ run: 'failed', change: BACK })).rejects.toMatchObject(refused);
  });

  it.each(['failed', 'cancelled'] as const)('is over when the run that was to take it is %s', async (run) => {
    // Between the two questions the run may have ended.
    await expect(wait({ run: 'running', change: COMES }, { run: 'running', change: SPENT }, { run, change: SPENT })).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: `Run run_1, which was to take the image, is ${run}.`,
    });
  });

  it('is over where nothing is asked for any more, and says who contains the change', async () => {
    for (const run of [undefined, 'succeeded'] as const) {
      await expect(wait({ run, change: SPENT })).rejects.toMatchObject({
        code: 'IMAGE_NOT_AWAITED',
        hint: expect.stringContaining('The next image of the server contains it') as string,
      });
    }
  });
});
