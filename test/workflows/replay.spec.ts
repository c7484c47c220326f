import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { temporal } from '@temporalio/proto';
import { toFailure } from '../../activities/failures';
import { ModosuError } from '../../src/contracts/errors';
import { createDataConverter } from '../../src/temporal/data-converter';
import { bundleWorkflowsForTests } from '../support/temporal';
import { BACKUP, CONFIRM, HISTORY_KEYS, ONLINE, openStage, Rehearsal, RESTORE, UNDO, type RehearsedType, type Scripted } from './harness';

/**
 * Histories of real executions, encrypted as in production, replayed against the workflow code as it is now: a change that would leave running restores
 * stuck after a deploy fails here. Record new ones with `MODOSU_RECORD_HISTORIES=1 npx jest test/workflows/replay.spec.ts`; never record over
 * those of a release.
 */
const HISTORIES = join(__dirname, 'histories');
jest.setTimeout(120_000);

const refused = async (): Promise<never> => {
  throw toFailure(new ModosuError('SWAP_REFUSED', 'libvirt says no'));
};
const SCENES: Readonly<Record<string, { readonly type: RehearsedType; readonly input: unknown; readonly scripted?: Scripted }>> = {
  'backup-image.succeeded': { type: 'backupImage', input: BACKUP },
  'backup-image.online': { type: 'backupImage', input: ONLINE },
  'undo.succeeded': { type: 'undoRestore', input: UNDO },
  'confirm.succeeded': { type: 'confirmRestore', input: CONFIRM },
  'clean-up.backup': { type: 'cleanUpRun', input: { kind: 'backup-image', input: ONLINE } },
  'plan-undo.ready': { type: 'planUndo', input: { planId: UNDO.planId, serverId: UNDO.serverId, ofRunId: UNDO.ofRunId } },
  'restore-server.succeeded': { type: 'restoreServer', input: RESTORE },
  'restore-server.undone': { type: 'restoreServer', input: RESTORE, scripted: { swapVolumes: refused } },
  'plan-restore.ready': { type: 'planRestore', input: { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null } },
};

const { History } = temporal.api.history.v1;
/** Protobuf as Temporal sends it, in base64: exact, and one line per history in a diff. */
const readHistory = (name: string): temporal.api.history.v1.History => History.decode(Buffer.from(readFileSync(join(HISTORIES, `${name}.history`), 'ascii'), 'base64'));

const replay = (options: Pick<ReplayWorkerOptions, 'workflowBundle'>, name: string): Promise<void> =>
  Worker.runReplayHistory({ ...options, dataConverter: createDataConverter(HISTORY_KEYS) }, readHistory(name));

if (process.env.MODOSU_RECORD_HISTORIES === '1') {
  it('records', async () => {
    const stage = await openStage();
    mkdirSync(HISTORIES, { recursive: true });
    try {
      for (const [name, { type, input, scripted }] of Object.entries(SCENES)) {
        const rehearsal = new Rehearsal(stage, scripted ?? {});
        await rehearsal.play(type, input);
        const history = await rehearsal.handle?.fetchHistory();
        expect(history?.events?.length).toBeGreaterThan(5);
        writeFileSync(join(HISTORIES, `${name}.history`), `${Buffer.from(History.encode(history ?? {}).finish()).toString('base64')}\n`);
      }
    } finally {
      await stage.close();
    }
  });
}

describe('recorded histories', () => {
  const names = readdirSync(HISTORIES).filter((file) => file.endsWith('.history')).map((file) => file.replace(/\.history$/, ''));
  let bundle: { readonly codePath: string };
  beforeAll(async () => void (bundle = await bundleWorkflowsForTests()));

  it('cover every runbook', () => expect(names).toEqual(expect.arrayContaining(Object.keys(SCENES))));

  it.each(names)('%s replays', async (name) => {
    await expect(replay({ workflowBundle: bundle }, name)).resolves.toBeUndefined();
  });

  it.each(names)('%s holds no plain text', (name) => {
    const bytes = Buffer.from(History.encode(readHistory(name)).finish()).toString('latin1');
    expect(bytes).toContain('encryption');
    for (const secret of ['db01', '/srv/vm', 'it no longer starts', 'libvirt says no']) expect(bytes).not.toContain(secret);
  });

  it('do not replay against a runbook with other steps', async () => {
    const changed = await bundleWorkflowsForTests(join(__dirname, 'changed-runbook.ts'));
    await expect(replay({ workflowBundle: changed }, 'backup-image.succeeded')).rejects.toBeInstanceOf(DeterminismViolationError);
  });
});
