import { MAX_PAGE, type PageOf } from '../../contracts/api/common';
import type { ChangeView } from '../../contracts/change';
import type { GroupView } from '../../contracts/api/backup-set';
import type { PolicyView } from '../../contracts/api/policy-view';
import type { ProfileSummary } from '../../contracts/api/profile-view';
import type { ServerView } from '../../contracts/server';
import type { TokenView } from '../../contracts/api/token';
import type { BackupSetView } from '../../contracts/backup-set';
import { ERROR_CODES, isErrorCode } from '../../contracts/error-codes';
import { FINDING_CODES } from '../../contracts/finding-codes';
import { describeAge } from '../../contracts/format';
import type { GenerationView } from '../../contracts/generation';
import { RECOVERY_POINT_KIND_OF, type RestorePlanSummary, type RestoreScenario } from '../../contracts/plan';
import type { OffsiteRepositoryView, TransferView } from '../../contracts/offsite-copies';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import type { RestoreSetView } from '../../contracts/restore-set';
import type { RunAction, RunView } from '../../contracts/run';
import type { VerificationView } from '../../contracts/verification';
import type { WayBackView } from '../../contracts/way-back';
import type { CliContext } from '../context';
import type { Candidate, WantedValue } from './candidates';

/** How many of what has no end: enough to find what is new, little enough to read. */
const NEWEST = 30;

/** What may stand for a placeholder, asked of the API. Rejects as the API does. */
export async function valuesFor(context: CliContext, { placeholder, option, path, named, given }: WantedValue): Promise<readonly Candidate[]> {
  switch (placeholder) {
    case 'server':
    case 'servers':
      return (await items<ServerView>(context, '/v1/servers')).map(({ name, domainName, decommissioned }) => ({
        value: name,
        description: `domain ${domainName}${decommissioned === null ? '' : ', decommissioned'}`,
      }));
    case 'run':
      return (await runsFor(context, path)).map((run) => ({
        value: run.id,
        description: `${run.kind} of ${run.serverName}, ${run.state}, ${describeAge(run.requestedAt, context.io.now())} ago`,
      }));
    case 'recovery-point':
      return (await items<RecoveryPointView>(context, '/v1/recovery-points', { limit: MAX_PAGE, server: named[0] }))
        .filter((point) => option === null || canBeRestored(point, given.get('--scenario')))
        .slice(0, NEWEST)
        .map((point) => ({
          value: point.id,
          description: `${point.kind} of ${point.serverName}, ${point.state}, ${describeAge(point.pointInTime, context.io.now())} old`,
        }));
    case 'plan':
      return (await plansFor(context, path, option, named[0])).map((plan) => ({
        value: plan.id,
        description: `${plan.scenario} of ${plan.serverName}, ${plan.state}, ${describeAge(plan.createdAt, context.io.now())} ago`,
      }));
    case 'change':
    case 'changes':
      return (await changesFor(context, path, named[0])).map((change) => ({
        value: change.id,
        description: `${change.serverName}, ${change.state}: ${change.title}`,
      }));
    case 'generation':
    case 'other':
      return named[0] === undefined ? [] : generationsOf(context, named[0], named[1]);
    case 'verification':
      return (await items<VerificationView>(context, '/v1/verifications', { limit: NEWEST })).map((one) => ({
        value: one.id,
        description: `${one.kind} of ${one.serverName}, ${one.state}, ${describeAge(one.requestedAt, context.io.now())} ago`,
      }));
    case 'offsite':
      return (await items<OffsiteRepositoryView>(context, '/v1/offsite')).map(({ name, media, state }) => ({ value: name, description: `${media}, ${state}` }));
    case 'transfer':
      return (await items<TransferView>(context, '/v1/offsite/transfers', { limit: NEWEST })).map((one) => ({
        value: one.id,
        description: `${one.kind} ${one.offsite}, ${one.state}, ${describeAge(one.requestedAt, context.io.now())} ago`,
      }));
    case 'data-set':
      return named[0] === undefined ? [] : dataSetsOf(context, named[0]);
    case 'policy':
      return (await items<PolicyView>(context, '/v1/policies')).map(({ name, servers }) => ({ value: name, description: `${servers.length} servers` }));
    case 'group':
      return (await items<GroupView>(context, '/v1/groups')).map(({ name, servers }) => ({ value: name, description: servers.join(', ') }));
    case 'profile':
      return (await items<ProfileSummary>(context, '/v1/profiles')).map(({ name, title, status }) => ({ value: name, description: `${title}, ${status}` }));
    case 'backup-set':
      return (await items<BackupSetView>(context, '/v1/backup-sets', { limit: NEWEST })).map((set) => ({
        value: set.id,
        description: `${set.group}, ${set.state}, ${describeAge(set.requestedAt, context.io.now())} ago`,
      }));
    case 'restore-set':
      return (await items<RestoreSetView>(context, '/v1/restore-sets', { limit: NEWEST })).map((set) => ({
        value: set.id,
        description: `${set.members.map(({ serverName }) => serverName).join(', ')}, ${set.state}, ${describeAge(set.requestedAt, context.io.now())} ago`,
      }));
    case 'token':
      return (await items<TokenView>(context, '/v1/tokens')).map(({ id, name, scopes }) => ({ value: id, description: `${name}: ${scopes.join(', ')}` }));
    case 'code':
      return [
        ...Object.entries(ERROR_CODES).map(([value, { hint }]) => ({ value, description: hint })),
        ...Object.entries(FINDING_CODES).flatMap(([value, { meaning }]) => (isErrorCode(value) ? [] : [{ value, description: meaning }])),
      ];
    default:
      return [];
  }
}

/** To be restored from, it has to be usable, and of the kind that the scenario takes. */
const canBeRestored = ({ kind, state }: RecoveryPointView, scenario: string | undefined): boolean =>
  state === 'usable' && (!isScenario(scenario) || kind === RECOVERY_POINT_KIND_OF[scenario]);

const isScenario = (word: string | undefined): word is RestoreScenario => word !== undefined && Object.hasOwn(RECOVERY_POINT_KIND_OF, word);

/** Runs with which the command can do something: also on an estate where every night brings more runs than anybody reads. */
async function runsFor(context: CliContext, path: string): Promise<readonly RunView[]> {
  const inState = (state: RunView['state']): Promise<readonly RunView[]> => items<RunView>(context, '/v1/runs', { limit: MAX_PAGE, state });
  const open = async (): Promise<readonly RunView[]> => [...(await inState('running')), ...(await inState('accepted'))];
  const allowed = (action: RunAction, runs: readonly RunView[]): readonly RunView[] => runs.filter(({ allowedActions }) => allowedActions.includes(action));
  const keeping = async (action: RunAction): Promise<readonly RunView[]> => {
    const kept = (await items<WayBackView>(context, '/v1/way-backs', { limit: NEWEST, state: 'open' })).map(({ runId }) => runId);
    const client = await context.client();
    return allowed(action, await Promise.all(kept.map(async (runId) => (await client.get<RunView>(`/v1/runs/${runId}`)).value)));
  };
  switch (path) {
    case 'run cancel':
      return allowed('cancel', await open());
    case 'run sign-off':
      return allowed('sign-off', await inState('running'));
    case 'run go-live':
      return allowed('go-live', await inState('running'));
    case 'run confirm':
      return keeping('confirm');
    case 'run undo':
      // An open run is undone by cancelling it.
      return [...allowed('cancel', await open()), ...(await keeping('undo'))];
    default:
      return items<RunView>(context, '/v1/runs', { limit: NEWEST });
  }
}

/** Plans with which the command can do something: those of a set are carried out together, and an undo by `run undo`. */
async function plansFor(context: CliContext, path: string, option: string | null, runId: string | undefined): Promise<readonly RestorePlanSummary[]> {
  const plans = (state?: RestorePlanSummary['state']): Promise<readonly RestorePlanSummary[]> =>
    items<RestorePlanSummary>(context, '/v1/restore-plans', { limit: state === undefined ? NEWEST : MAX_PAGE, state });
  if (option === '--plan') return (await plans('ready')).filter(({ undoesRunId }) => undoesRunId !== null && undoesRunId === (runId ?? undoesRunId));
  if (path === 'restore run') return (await plans('ready')).filter(({ restoreSetId, undoesRunId }) => restoreSetId === null && undoesRunId === null);
  return plans();
}

/** What is open can be completed or cancelled; a run is signed off with changes of its server. */
async function changesFor(context: CliContext, path: string, first: string | undefined): Promise<readonly ChangeView[]> {
  if (path === 'change complete' || path === 'change cancel') return items<ChangeView>(context, '/v1/changes', { limit: MAX_PAGE, state: 'open' });
  if (path !== 'run sign-off' || first === undefined) return items<ChangeView>(context, '/v1/changes', { limit: NEWEST });
  const client = await context.client();
  const { value: run } = await client.get<RunView>(`/v1/runs/${encodeURIComponent(first)}`);
  return items<ChangeView>(context, '/v1/changes', { limit: NEWEST, server: run.serverId });
}

async function generationsOf(context: CliContext, server: string, first: string | undefined): Promise<readonly Candidate[]> {
  const generations = await items<GenerationView>(context, `/v1/servers/${encodeURIComponent(server)}/generations`, { limit: NEWEST });
  return generations
    .map(({ generation, state, pointInTime }) => ({
      value: String(generation),
      description: `${state}, ${describeAge(pointInTime, context.io.now())} old`,
    }))
    .filter(({ value }) => value !== first);
}

async function items<T>(context: CliContext, path: string, query: Readonly<Record<string, string | number | undefined>> = {}): Promise<readonly T[]> {
  const client = await context.client();
  return (await client.get<PageOf<T>>(path, query)).value.items;
}

/** From the list: the page of one server waits for its hypervisor. */
async function dataSetsOf(context: CliContext, server: string): Promise<readonly Candidate[]> {
  const servers = await items<ServerView>(context, '/v1/servers');
  const found = servers.find(({ id, name }) => name === server || id === server);
  return (found?.protection.dataSets ?? []).map(({ name, kind }) => ({ value: name, description: kind }));
}
