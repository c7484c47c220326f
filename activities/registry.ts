import type { CatalogueActivities } from '../src/contracts/activities/catalogue';
import type { DataActivities, DataTransferActivities } from '../src/contracts/activities/data';
import type { HostActivities, ServerActivities } from '../src/contracts/activities/images';
import type { JudgementActivities, PeerActivities, RelationActivities } from '../src/contracts/activities/relations';
import type { OffsiteActivities, TransferActivities, VerificationActivities } from '../src/contracts/activities/repositories';
import type { PlanningActivities } from '../src/contracts/activities/planning';
import type { CredentialActivities } from '../src/contracts/activities/credentials';
import { CatalogueWrites } from './catalogue-activities';
import { CredentialCalls } from './credential-activities';
import { DataCalls } from './data-activities';
import { DataTransfers } from './data-transfer-activities';
import type { ActivityDependencies } from './dependencies';
import { translateFailures } from './failures';
import { HostCalls } from './host-activities';
import { JudgementCalls } from './judgement-activities';
import { OffsiteCalls } from './offsite-activities';
import { PeerCalls } from './peer-activities';
import { PlanningJudgements } from './planning-activities';
import { RelationCalls } from './relation-activities';
import { ServerCalls } from './server-activities';
import { Transfers } from './transfer-activities';
import { VerificationCalls } from './verification-activities';

type AnyActivity = (...args: never[]) => Promise<unknown>;
type Bound<T> = { readonly [K in keyof T]: T[K] };

/** Queue `control`: workflows and what needs only the catalogue. */
export const createControlActivities = (
  deps: ActivityDependencies,
): Bound<CatalogueActivities & PlanningActivities & RelationActivities & JudgementActivities> => {
  const writes = new CatalogueWrites(deps);
  const judgements = new PlanningJudgements(deps);
  return translateFailures(
    {
      ...bind<CatalogueActivities>(writes, [
        'startRun',
        'recordSteps',
        'finishRun',
        'markDamaged',
        'openWayBack',
        'takeWayBack',
        'revertWayBack',
        'closeWayBack',
        'recordApplied',
        'recordGoLive',
        'recordVerdict',
        'finishVerification',
        'recordCopied',
        'recordFetched',
        'recordCopyDamaged',
        'finishTransfer',
        'recordDueBackups',
      ]),
      ...bind<PlanningActivities>(judgements, [
        'fetchForPlan',
        'choosePlanSource',
        'composePlan',
        'chooseUndoSource',
        'composeUndoPlan',
        'chooseDataSource',
        'composeDataPlan',
        'failPlan',
        'loadPlan',
        'readDecision',
        'isCancelRequested',
        'traceOfRun',
        'requireConfirmable',
        'changesAt',
        'changesSincePlan',
        'nextGeneration',
        'parentCandidates',
      ]),
      ...bind<RelationActivities>(new RelationCalls(deps), [
        'readingJobs',
        'readingsOfImage',
        'recordUnread',
        'peersOf',
        'judgeRun',
        'judgeUndo',
        'judgeUndone',
      ]),
      ...bind<JudgementActivities>(new JudgementCalls(deps), ['dueJudgements', 'judgeStored', 'recordUnjudged']),
    },
    deps,
  );
};

/** Queue `host.<hypervisor>`: short calls. */
export const createHostActivities = (
  deps: ActivityDependencies,
): Bound<HostActivities & ServerActivities & DataActivities & PeerActivities & CredentialActivities> =>
  translateFailures(
    {
      ...bind<HostActivities>(new HostCalls(deps), [
        'examineForBackup',
        'chooseBasis',
        'reserveRoom',
        'discardStaged',
        'saveDefinition',
        'collectFacts',
        'publish',
        'recordRecoveryPoint',
        'surveyRestore',
        'surveyUndo',
        'surveyEnded',
        'compareFacts',
        'discardVolumes',
        'restoreNvram',
      ]),
      ...bind<ServerActivities>(new ServerCalls(deps), [
        'takeFence',
        'releaseFence',
        'shutDown',
        'powerOff',
        'start',
        'startAfterShutdown',
        'waitForAgent',
        'swapVolumes',
        'revertSwap',
        'returnVolumes',
        'discardKept',
        'attachOldDisk',
        'goLive',
        'applyChange',
        'checkHealth',
        'prepareOnlineBackup',
        'beginOnlineBackup',
        'settleOnlineBackup',
        'cancelOnlineBackup',
      ]),
      ...bind<CredentialActivities>(new CredentialCalls(deps), ['rememberCredentials', 'surveyCredentials', 'setCredential']),
      ...bind<DataActivities>(new DataCalls(deps), [
        'examineDataSets',
        'examineDataRestore',
        'runDataHook',
        'verifySavedData',
        'publishData',
        'discardSpool',
        'surveyData',
        'takeDataBack',
        'discardFetched',
        'surveyDataUndo',
        'discardKeptData',
      ]),
      ...bind<PeerActivities>(new PeerCalls(deps), ['readMarkers', 'runInPeer']),
    },
    deps,
  );

/** Queue `host.<hypervisor>.transfer`: long copies. */
export const createTransferActivities = (deps: ActivityDependencies): Bound<TransferActivities & DataTransferActivities> =>
  translateFailures(
    {
      ...bind<TransferActivities>(new Transfers(deps), ['copyDiskToRepository', 'followOnlineBackup', 'hashStagedDisk', 'mergeStagedDisk', 'copyDiskToVolume']),
      ...bind<DataTransferActivities>(new DataTransfers(deps), ['dumpDataSet', 'saveDataSet', 'fetchData', 'loadData', 'placeData', 'returnData']),
    },
    deps,
  );

/** Queue `host.<hypervisor>.verification`: reading what is stored. */
export const createVerificationActivities = (deps: ActivityDependencies): Bound<VerificationActivities> =>
  translateFailures(
    bind<VerificationActivities>(new VerificationCalls(deps), ['openForVerification', 'readImage', 'listData', 'checkData', 'readData', 'proveBoot']),
    deps,
  );

/** Queue `host.<hypervisor>.offsite`: copies elsewhere, and back. */
export const createOffsiteActivities = (deps: ActivityDependencies): Bound<OffsiteActivities> =>
  translateFailures(
    bind<OffsiteActivities>(new OffsiteCalls(deps), [
      'copyOffsite',
      'fetchOffsite',
      'discardOffsite',
      'listOffsite',
      'checkOffsite',
      'readOffsite',
      'forgetOffsite',
    ]),
    deps,
  );

/**
 * Temporal reads own properties only, so the methods of a class are bound by name. A name that is missing shows in the registry's spec, which
 * compares with the methods of the classes.
 */
function bind<T extends object>(service: T, names: readonly (keyof T & string)[]): T {
  return Object.fromEntries(names.map((name) => [name, (service[name] as AnyActivity).bind(service)])) as T;
}
