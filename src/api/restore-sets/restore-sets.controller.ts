import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { ServerRecord, TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  restoreSetQuerySchema,
  restoreSetRequestSchema,
  restoreSetRunRequestSchema,
  restoreSetSchema,
  type RestoreSetQuery,
  type RestoreSetRequest,
  type RestoreSetRunRequest,
} from '../../contracts/api/restore-set';
import { MAX_RESTORE_SET, type RestoreSetView } from '../../contracts/restore-set';
import { groupSelector, serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { dispatchPlan, dispatchRun } from '../dispatch';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { RequestInvalidError } from '../http/request-invalid.error';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';
import { chooseSet } from './choose-set';

@ApiTags('restore sets')
@Controller('v1/restore-sets')
@NeedsScope('read')
export class RestoreSetsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listRestoreSets', summary: 'Servers that were, or are to be, restored together, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(restoreSetSchema) })
  async list(@Query({ schema: restoreSetQuerySchema }) query: RestoreSetQuery): Promise<PageOf<RestoreSetView>> {
    return this.dependencies.catalog.listRestoreSets({ limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @ApiOperation({ operationId: 'showRestoreSet', summary: 'One set: its servers with their plans and runs, and how it stands.' })
  @ApiResponse({ status: 200, description: 'The set.', standardSchema: restoreSetSchema })
  async show(@Param('id', new IdPipe('rset')) id: string): Promise<RestoreSetView> {
    return this.dependencies.catalog.getRestoreSet(id);
  }

  @Post()
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'planRestoreSet',
    summary: 'Chooses recovery points that agree with each other, and starts making a restore plan for each server. Changes nothing on the servers.',
  })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the set.', standardSchema: restoreSetSchema })
  async plan(
    @Body({ schema: restoreSetRequestSchema }) body: RestoreSetRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RestoreSetView> {
    const { catalog, runStarter, profiles } = this.dependencies;
    const keyed = { actor: caller.name, idempotencyKey, requestDigest: requestDigest('POST', '/v1/restore-sets', body) };
    const earlier = await catalog.resultOf(keyed, 'rset');
    if (earlier !== null) return answer(await catalog.getRestoreSet(earlier), true, response);
    const servers = await this.serversOf(body);
    const incidentAt = body.incidentAt === undefined ? null : new Date(body.incidentAt).toISOString();
    const chosen = await chooseSet(catalog, profiles, servers, incidentAt);
    await runStarter.check();
    const { restoreSetId, replayed } = await catalog.acceptRestoreSet({
      ...keyed,
      ...chosen,
      incidentAt,
      leaveChanges: body.leaveChanges,
    });
    const set = await catalog.getRestoreSet(restoreSetId);
    if (!replayed) await Promise.all(set.members.flatMap(({ planId }) => (planId === null ? [] : [dispatchPlan(this.dependencies, planId)])));
    return answer(set, replayed, response);
  }

  @Post(':id/run')
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'runRestoreSet',
    summary:
      'Carries all plans of a set out, or none. Every server is stopped and replaced, and waits in quarantine, before the first goes live; then one after another does. The names of all servers have to be typed again.',
  })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the set.', standardSchema: restoreSetSchema })
  async run(
    @Param('id', new IdPipe('rset')) id: string,
    @Body({ schema: restoreSetRunRequestSchema }) body: RestoreSetRunRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RestoreSetView> {
    const { catalog, runStarter } = this.dependencies;
    await runStarter.check();
    const { runIds, replayed } = await catalog.acceptRestoreSetRuns({
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/restore-sets/${id}/run`, body),
      restoreSetId: id,
      reason: body.reason,
      confirm: body.confirm,
      findings: { override: body.override, acknowledgeUnknown: body.acknowledgeUnknown },
    });
    if (!replayed) await Promise.all(runIds.map((runId) => dispatchRun(this.dependencies, { runId, replayed: false })));
    return answer(await catalog.getRestoreSet(id), replayed, response);
  }

  private async serversOf({ servers, group }: RestoreSetRequest): Promise<readonly ServerRecord[]> {
    const { catalog } = this.dependencies;
    const names = group === undefined ? (servers ?? []) : (await catalog.getGroup(groupSelector(group))).servers;
    const found: ServerRecord[] = [];
    for (const name of names) found.push(await catalog.getServer(serverSelector(name)));
    if (new Set(found.map(({ id }) => id)).size !== found.length) throw invalid('servers must be unique');
    if (found.length < 2) throw invalid('a set has at least two servers');
    if (found.length > MAX_RESTORE_SET) throw invalid(`a set has at most ${MAX_RESTORE_SET} servers`);
    return found;
  }
}

function answer(set: RestoreSetView, replayed: boolean, response: ServerResponse): RestoreSetView {
  response.setHeader('Location', `/v1/restore-sets/${set.id}`);
  if (replayed) response.setHeader(REPLAYED_HEADER, 'true');
  return set;
}

const invalid = (message: string): RequestInvalidError => new RequestInvalidError('REQUEST_INVALID', [{ path: 'servers', message }]);
