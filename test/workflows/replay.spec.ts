import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { temporal } from '@temporalio/proto';
import { toFailure } from '../../activities/failures';
import type { RunTrace } from '../../src/contracts/activities/planning';
import type { CredentialDeclaration } from '../../src/contracts/credential';
import { ModosuError } from '../../src/contracts/errors';
import { backupSetWorkflowId, serverWorkflowId } from '../../src/contracts/ids';
import type { LostChanges } from '../../src/contracts/plan';
import type { PlanDataInput } from '../../src/contracts/workflows';
import { createDataConverter } from '../../src/temporal/data-converter';
import { findingAbout } from '../support/made-up-relations';
import { bundleWorkflowsForTests } from '../support/temporal';
import {
  BACKUP,
  BACKUP_DATA,
  CONFIRM,
  DATA_ITEM,
  DATA_PLAN,
  DATA_POINT,
  KEPT_DATA,
  ONLINE,
  PLAN,
  PLAN_SOURCE,
  RESTORE,
  RESTORE_DATA,
  UNDO,
  UNDO_PLAN,
  UNDO_SURVEY,
  WAY_BACK,
} from './cast';
import { HISTORY_KEYS, openStage, Rehearsal, type RehearsedType, type Role, type Scripted } from './harness';
import { jobFor, judgedPlan, ruleStep } from './relations';

/**
 * Histories of real executions, encrypted as in production, replayed against the workflow code as it is now: a change that would leave running restores
 * stuck after a deploy fails here. Record those that are missing with `MODOSU_RECORD_HISTORIES=1 npx jest test/workflows/replay.spec.ts`; those of a release
 * are never recorded anew. Those that end with `before-credentials` stand for themselves: a worker that did not ask secret stores for data yet has carried out
 * what a newer program had accepted, with credentials. So does `before-survey`: a clean-up that did not ask the hypervisor what had become of an undo.
 */
const HISTORIES = join(__dirname, 'histories');
jest.setTimeout(120_000);

const refused = async (): Promise<never> => {
  throw toFailure(new ModosuError('SWAP_REFUSED', 'libvirt says no'));
};
const unreadable = async (): Promise<never> => {
  throw toFailure(new ModosuError('WAY_BACK_INCOMPLETE', 'The record cannot be read.'));
};
/** The last of them was under way when the workflow was ended. */
const traceOf = (keys: readonly string[]) => async (): Promise<RunTrace> => ({
  steps: keys.map((key, index) => ({ seq: index + 1, key, title: key, state: index + 1 < keys.length ? 'succeeded' : 'running' })),
  wayBack: null,
  cancelRequested: false,
});
const SWAPPED_BY_UNDO: Scripted = { traceOfRun: async () => ({ ...(await traceOf(['stop', 'swap', 'start'])()), wayBack: WAY_BACK }) };
const STOPPED: Scripted['surveyEnded'] = async () => ({ files: [], stop: 'stopped' });
const RESTORED = PLAN.volumes.map(({ newPath }) => newPath);
interface Scene {
  readonly type: RehearsedType;
  readonly input: unknown;
  readonly scripted?: Scripted;
  /** Workflows that it speaks with, and the id under which it is known to them. */
  readonly beside?: { readonly workflowId: string; readonly others: readonly Role[] };
}
/** A set of one: it meets nobody but the workflow of the set. */
const SET = { id: 'set_01aaaaaaaaaaaaaaaaaaaaaaaa', group: 'shop', deadline: '2100-01-01T00:00:00.000Z' };
const MEMBER = { ...ONLINE, maxIncrements: 13, set: SET };
const SET_INPUT = {
  setId: SET.id,
  group: SET.group,
  deadline: SET.deadline,
  members: [{ runId: MEMBER.runId, serverId: MEMBER.serverId, serverName: 'db01' }],
};
const [SET_ROLE, MEMBER_ROLE]: readonly [Role, Role] = [
  { type: 'backupSet', input: SET_INPUT, workflowId: backupSetWorkflowId(SET.id) },
  { type: 'backupImage', input: MEMBER, workflowId: serverWorkflowId(MEMBER.serverId) },
];
/** One peer can be asked, another one cannot. */
const ASKED: Scripted = {
  readingJobs: async () => [jobFor('db02'), jobFor('db03')],
  readMarkers: async ({ target, specs }) => (target.serverName === 'db02' ? { read: specs.length, failed: 0 } : refused()),
};
const RULE_STEPS = [ruleStep('PROGRAM'), ruleStep('BY_HAND', { argv: null }), ruleStep('FAILS', { on: 'peer', when: 'live' }), ruleStep('NOT_NEEDED')];
/** Steps by programs and by people, before go-live and after it; the peers agree when they are asked again. */
const JUDGED: Scripted = {
  ...ASKED,
  loadPlan: async () => judgedPlan(RULE_STEPS),
  peersOf: async () => [jobFor('db02').target],
  judgeRun: judgedAgain(),
  runInPeer: async () => ({ isApplied: false, evidence: 'exit code 1' }),
  readDecision: async () => ({ actor: 'kim', reason: 'done', at: '2026-03-02T12:10:00.000Z' }),
};
function judgedAgain(): NonNullable<Scripted['judgeRun']> {
  let live = 0;
  return async ({ moment }) => ({
    against: moment === 'live' && (live += 1) === 1 ? [findingAbout('NOT_TOGETHER', 'block')] : [],
    judged: 1,
    steps: moment === 'recheck' ? RULE_STEPS.slice(0, 3) : [],
  });
}
/** A peer that is silent in quarantine until the third question, and a step that comes to light only after go-live. */
const SILENT_AT_FIRST: Scripted = { ...JUDGED, loadPlan: async () => judgedPlan(RULE_STEPS, [], ['live']), judgeRun: silentAtFirst() };
function silentAtFirst(): NonNullable<Scripted['judgeRun']> {
  let asked = 0;
  return async ({ moment }) => ({
    against: moment === 'quarantine' && (asked += 1) < 3 ? [findingAbout('PEER_UNKNOWN', 'unknown')] : [],
    judged: 1,
    steps: moment === 'recheck' ? RULE_STEPS.slice(0, 3) : moment === 'live' ? [ruleStep('ONLY_LIVE', { on: 'peer', when: 'live' })] : [],
  });
}
/** A change that people apply again. */
const SIGNED_OFF: Scripted = {
  loadPlan: async () => ({
    ...PLAN,
    appliesChanges: true,
    lostChanges: {
      ...NOTHING_LOST,
      changes: [
        {
          id: 'chg_01aaaaaaaaaaaaaaaaaaaaaaaa',
          title: 'kernel',
          ticket: null,
          completedAt: '2026-03-01T00:00:00.000Z',
          how: 'missing',
          applyAgain: { kind: 'text', text: 'as in the ticket' },
        },
      ],
    },
  }),
  readDecision: JUDGED.readDecision,
};
const NOTHING_LOST: LostChanges = { changes: [], returning: [], isKnown: true, drift: null };
const PLAN_DATA: PlanDataInput = {
  planId: RESTORE_DATA.planId,
  serverId: RESTORE_DATA.serverId,
  dataSet: 'shop',
  recoveryPointId: null,
  selection: DATA_ITEM.selection,
  incidentAt: null,
};
const ROOT_PLACE = { account: 'root', store: 'vault', path: 'servers/db01' };
const ROOT: CredentialDeclaration = { ...ROOT_PLACE, reapply: true };
const SCENES: Readonly<Record<string, Scene>> = {
  'backup-image.in-set': { ...MEMBER_ROLE, beside: { workflowId: MEMBER_ROLE.workflowId, others: [SET_ROLE] } },
  'backup-set.complete': { ...SET_ROLE, beside: { workflowId: SET_ROLE.workflowId, others: [MEMBER_ROLE] } },
  'backup-image.succeeded': { type: 'backupImage', input: BACKUP },
  'backup-image.online': { type: 'backupImage', input: ONLINE },
  'backup-image.incremental': {
    type: 'backupImage',
    input: { ...ONLINE, maxIncrements: 13 },
    scripted: {
      chooseBasis: async () => ({
        parentId: 'rp_00aaaaaaaaaaaaaaaaaaaaaaaa',
        incremental: ['vda', 'vdb'].map((target) => ({ target, backingName: `../../rp_00aaaaaaaaaaaaaaaaaaaaaaaa/disks/${target}.qcow2` })),
        changedBytes: 65_536,
        neededBytes: 65_600,
        fullBecause: null,
        alwaysFull: [],
        leavesCheckpoint: true,
      }),
    },
  },
  'undo.succeeded': { type: 'undoRestore', input: UNDO },
  'confirm.succeeded': { type: 'confirmRestore', input: CONFIRM },
  ...Object.fromEntries(
    (
      [
        // [of what, its input, steps that had been taken]
        ['backup-data', BACKUP_DATA, ['before:uploads', 'save:uploads']],
        ['restore-data', RESTORE_DATA, ['place:shop']],
        ['restore-server', RESTORE, ['stop', 'swap', 'start']],
        ['undo', UNDO, ['stop']],
        ['confirm', CONFIRM, ['remove']],
      ] as const
    ).map(([kind, input, steps]) => [`clean-up.${kind}`, { type: 'cleanUpRun', input: { kind, input }, scripted: { traceOfRun: traceOf(steps) } }]),
  ),
  'clean-up.undo.forward': { type: 'cleanUpRun', input: { kind: 'undo', input: UNDO }, scripted: SWAPPED_BY_UNDO },
  'clean-up.undo.taken-back': {
    type: 'cleanUpRun',
    input: { kind: 'undo', input: UNDO },
    scripted: { ...SWAPPED_BY_UNDO, surveyUndo: async () => ({ ...UNDO_SURVEY, wayBack: null }) },
  },
  'clean-up.undo.unread': { type: 'cleanUpRun', input: { kind: 'undo', input: UNDO }, scripted: { ...SWAPPED_BY_UNDO, surveyUndo: unreadable } },
  'clean-up.restore-server.by-hypervisor': {
    type: 'cleanUpRun',
    input: { kind: 'restore-server', input: RESTORE },
    scripted: { traceOfRun: traceOf(['fence']), surveyEnded: async () => ({ files: RESTORED, stop: 'stopped' }) },
  },
  'clean-up.backup.by-hypervisor': { type: 'cleanUpRun', input: { kind: 'backup-image', input: BACKUP }, scripted: { surveyEnded: STOPPED } },
  'clean-up.undo.by-hypervisor': { type: 'cleanUpRun', input: { kind: 'undo', input: UNDO }, scripted: { surveyEnded: STOPPED } },
  'restore-server.cancel-heard': { type: 'restoreServer', input: RESTORE },
  'undo.cancel-heard': { type: 'undoRestore', input: UNDO },
  'confirm.cancel-heard': { type: 'confirmRestore', input: CONFIRM },
  'restore-server.undone-recorded-last': { type: 'restoreServer', input: RESTORE, scripted: { swapVolumes: refused } },
  'clean-up.undo.recorded-last': { type: 'cleanUpRun', input: { kind: 'undo', input: UNDO }, scripted: { surveyEnded: STOPPED } },
  'clean-up.backup': { type: 'cleanUpRun', input: { kind: 'backup-image', input: ONLINE } },
  'plan-undo.ready': { type: 'planUndo', input: { planId: UNDO.planId, serverId: UNDO.serverId, ofRunId: UNDO.ofRunId } },
  'restore-server.succeeded': { type: 'restoreServer', input: RESTORE },
  'restore-server.undone': { type: 'restoreServer', input: RESTORE, scripted: { swapVolumes: refused } },
  'backup-data.succeeded': { type: 'backupData', input: BACKUP_DATA },
  'plan-data.ready': { type: 'planDataRestore', input: PLAN_DATA },
  'restore-data.succeeded': { type: 'restoreData', input: RESTORE_DATA },
  'backup-data.credentials': { type: 'backupData', input: { ...BACKUP_DATA, credentials: [ROOT] } },
  'restore-data.credentials': { type: 'restoreData', input: { ...RESTORE_DATA, credentials: [ROOT] } },
  'plan-data.credentials': {
    type: 'planDataRestore',
    input: PLAN_DATA,
    scripted: {
      chooseDataSource: async ({ planId }) => ({
        planId,
        runId: RESTORE_DATA.runId,
        serverId: RESTORE_DATA.serverId,
        serverName: RESTORE_DATA.serverName,
        uuid: RESTORE_DATA.uuid,
        hypervisor: RESTORE_DATA.hypervisor,
        point: { ...DATA_POINT, credentials: [{ ...ROOT_PLACE, version: '1', createdAt: null, problem: null }] },
        item: DATA_ITEM,
        selection: DATA_ITEM.selection,
        measuredRecoverySeconds: [],
        incidentAt: null,
        credentials: [ROOT],
      }),
    },
  },
  'restore-data.undone': { type: 'restoreData', input: RESTORE_DATA, scripted: { placeData: refused } },
  'restore-server.with-data': {
    type: 'restoreServer',
    input: RESTORE,
    scripted: { loadPlan: async () => ({ ...PLAN, data: [{ item: DATA_ITEM, pointInTime: DATA_POINT.pointInTime }], loss: DATA_PLAN.loss }) },
  },
  'undo.data': { type: 'undoRestore', input: UNDO, scripted: { loadPlan: async () => ({ ...UNDO_PLAN, data: { record: KEPT_DATA, changes: [] } }) } },
  'confirm.data': { type: 'confirmRestore', input: CONFIRM, scripted: { requireConfirmable: async () => ({ ...WAY_BACK, data: KEPT_DATA, volumes: [] }) } },
  'plan-restore.relations': {
    type: 'planRestore',
    input: { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null },
    scripted: ASKED,
  },
  'backup-image.markers': { type: 'backupImage', input: ONLINE, scripted: ASKED },
  'backup-image.unread-relations': {
    type: 'backupImage',
    input: ONLINE,
    scripted: {
      readMarkers: async ({ specs }) => ({ read: specs.length, failed: 0 }),
      readingsOfImage: async () => ({
        jobs: [jobFor('db02')],
        unread: [{ relation: 'own', peers: ['db02'], code: 'PROFILE_INVALID', message: 'Its profile "own" was not loaded: own.yaml:2:10: no' }],
      }),
    },
  },
  'restore-server.relations': { type: 'restoreServer', input: RESTORE, scripted: JUDGED },
  'restore-server.signed-off': { type: 'restoreServer', input: RESTORE, scripted: SIGNED_OFF },
  'restore-server.silent-peer': { type: 'restoreServer', input: RESTORE, scripted: SILENT_AT_FIRST },
  'plan-restore.facts-now': {
    type: 'planRestore',
    input: { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null },
    scripted: { ...ASKED, choosePlanSource: async ({ planId }) => ({ ...PLAN_SOURCE, planId, lostChanges: NOTHING_LOST }) },
  },
  'plan-restore.ready': { type: 'planRestore', input: { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null } },
};

const { History } = temporal.api.history.v1;
/** Protobuf as Temporal sends it, in base64: exact, and one line per history in a diff. */
const readHistory = (name: string): temporal.api.history.v1.History =>
  History.decode(Buffer.from(readFileSync(join(HISTORIES, `${name}.history`), 'ascii'), 'base64'));

const replay = (options: Pick<ReplayWorkerOptions, 'workflowBundle'>, name: string): Promise<void> =>
  Worker.runReplayHistory({ ...options, dataConverter: createDataConverter(HISTORY_KEYS) }, readHistory(name));

if (process.env.MODOSU_RECORD_HISTORIES === '1') {
  it('records', async () => {
    const stage = await openStage();
    mkdirSync(HISTORIES, { recursive: true });
    try {
      for (const [name, { type, input, scripted, beside }] of Object.entries(SCENES)) {
        if (existsSync(join(HISTORIES, `${name}.history`))) continue;
        const rehearsal = new Rehearsal(stage, scripted ?? {});
        if (beside === undefined) await rehearsal.play(type, input);
        else await rehearsal.playTogether([{ type, input, workflowId: beside.workflowId }, ...beside.others]);
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
  const names = readdirSync(HISTORIES)
    .filter((file) => file.endsWith('.history'))
    .map((file) => file.replace(/\.history$/, ''));
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
