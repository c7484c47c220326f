import type { PageOf } from '../../contracts/api/common';
import type { ServerView } from '../../contracts/api/server';
import type { TokenView } from '../../contracts/api/token';
import { ERROR_CODES } from '../../contracts/error-codes';
import { describeAge } from '../../contracts/format';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import type { RunAction, RunView } from '../../contracts/run';
import type { CliContext } from '../context';
import type { Candidate } from './candidates';

/** How many of what has no end: enough to find what is new, little enough to read. */
const NEWEST = 30;

/** What may stand for a placeholder, asked of the API. `named`: the operands so far, such as the server. Rejects as the API does. */
export async function valuesFor(context: CliContext, placeholder: string, path: string, named: readonly string[]): Promise<readonly Candidate[]> {
  switch (placeholder) {
    case 'server':
      return (await items<ServerView>(context, '/v1/servers')).map(({ name, domainName }) => ({ value: name, description: `domain ${domainName}` }));
    case 'run':
      return (await items<RunView>(context, '/v1/runs', { limit: NEWEST })).filter(allows(path)).map((run) => ({ value: run.id, description: `${run.kind} of ${run.serverName}, ${run.state}, ${describeAge(run.requestedAt, context.io.now())} ago` }));
    case 'recovery-point':
      return (await items<RecoveryPointView>(context, '/v1/recovery-points', { limit: NEWEST, server: named[0] })).map((point) => ({ value: point.id, description: `${point.kind} of ${point.serverName}, ${point.state}, ${describeAge(point.pointInTime, context.io.now())} old` }));
    case 'data-set':
      return named[0] === undefined ? [] : dataSetsOf(context, named[0]);
    case 'token':
      return (await items<TokenView>(context, '/v1/tokens')).map(({ id, name, scopes }) => ({ value: id, description: `${name}: ${scopes.join(', ')}` }));
    case 'code':
      return Object.entries(ERROR_CODES).map(([value, { hint }]) => ({ value, description: hint }));
    default:
      return [];
  }
}

/** Runs with which the command can do nothing are not offered. */
const ACTIONS: Readonly<Record<string, RunAction>> = { 'run cancel': 'cancel', 'run go-live': 'go-live', 'run confirm': 'confirm' };

function allows(path: string): (run: RunView) => boolean {
  const action = ACTIONS[path];
  // An open run is undone by cancelling it.
  if (path === 'run undo') return ({ allowedActions }) => allowedActions.includes('undo') || allowedActions.includes('cancel');
  return ({ allowedActions }) => action === undefined || allowedActions.includes(action);
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
