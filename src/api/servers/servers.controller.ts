import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Catalog, ServerRecord, TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { restorePlanRequestSchema, restorePlanSchema, type RestorePlanRequest } from '../../contracts/api/restore-plan';
import { retentionPreviewSchema } from '../../contracts/api/retention';
import { backupRequestSchema, runViewSchema, type BackupRequest } from '../../contracts/api/run';
import {
  decommissionRequestSchema,
  recommissionRequestSchema,
  serverDetailSchema,
  serverViewSchema,
  type DecommissionRequest,
  type RecommissionRequest,
  type ServerDetailView,
} from '../../contracts/api/server';
import type { ServerView } from '../../contracts/server';
import type { RestorePlanView } from '../../contracts/plan';
import type { RetentionPreview } from '../../contracts/retention';
import type { RunView } from '../../contracts/run';
import { idSelector } from '../../contracts/selectors';
import { chooseCopied, newestData } from '../../domain/planning/recovery-point-choice';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { dispatchPlan, dispatchRun } from '../dispatch';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { ServerSelectorPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';
import { retentionPreview } from './retention-preview';
import { serverDetail, serverView } from './server-detail';

@ApiTags('servers')
@Controller('v1/servers')
export class ServersController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @NeedsScope('read')
  @ApiOperation({ operationId: 'listServers', summary: 'All protected servers, by name.' })
  @ApiResponse({ status: 200, description: 'The servers.', standardSchema: pageOf(serverViewSchema) })
  async list(): Promise<PageOf<ServerView>> {
    const servers = await this.dependencies.catalog.listServers();
    return { items: servers.map(serverView), nextCursor: null };
  }

  @Get(':server')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'showServer', summary: 'One server, by name or id, with what its hypervisor says at this moment.' })
  @ApiResponse({ status: 200, description: 'The server.', standardSchema: serverDetailSchema })
  async show(@Param('server', new ServerSelectorPipe()) server: string): Promise<ServerDetailView> {
    return serverDetail(this.dependencies, await this.dependencies.catalog.getServer(server));
  }

  @Get(':server/retention')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'previewRetention', summary: 'What retention would do now with every recovery point of the server, and why. Deletes nothing.' })
  @ApiResponse({ status: 200, description: 'The preview.', standardSchema: retentionPreviewSchema })
  async retention(@Param('server', new ServerSelectorPipe()) server: string): Promise<RetentionPreview> {
    const { catalog } = this.dependencies;
    return retentionPreview(catalog, await catalog.getServer(server), new Date());
  }

  @Post(':server/decommission')
  @HttpCode(200)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'decommissionServer',
    summary:
      'Takes a server out of service for good: nothing is backed up, verified or missed any more, and in the end its recovery points go. It can still be restored. The same again changes nothing.',
  })
  @ApiResponse({ status: 200, description: 'The server.', standardSchema: serverViewSchema })
  async decommission(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: decommissionRequestSchema }) body: DecommissionRequest,
    @Caller() caller: TokenRecord,
  ): Promise<ServerView> {
    const { catalog } = this.dependencies;
    const { id: serverId } = await catalog.getServer(selector);
    return serverView(await catalog.decommissionServer({ actor: caller.name, serverId, ...body }));
  }

  @Post(':server/recommission')
  @HttpCode(200)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'recommissionServer',
    summary: 'Takes a server back into service: its policy holds again from now on. One that is in service stays as it is.',
  })
  @ApiResponse({ status: 200, description: 'The server.', standardSchema: serverViewSchema })
  async recommission(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: recommissionRequestSchema }) body: RecommissionRequest,
    @Caller() caller: TokenRecord,
  ): Promise<ServerView> {
    const { catalog } = this.dependencies;
    const { id } = await catalog.getServer(selector);
    return serverView(await catalog.recommissionServer(caller.name, id, body.reason));
  }

  @Post(':server/backups')
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'startBackup',
    summary:
      'Takes recovery points: an image (offline: the server is stopped, copied and put back into its power state; online: it goes on, frozen for a moment), or one of each data set.',
  })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the run.', standardSchema: runViewSchema })
  async backUp(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: backupRequestSchema }) body: BackupRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    const { catalog, runStarter } = this.dependencies;
    const server = await catalog.getServer(selector);
    await runStarter.check();
    const request = {
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/servers/${server.id}/backups`, body),
      serverId: server.id,
      reason: body.reason,
    };
    const accepted =
      body.kind === 'data'
        ? await catalog.acceptDataBackup({ ...request, dataSets: body.dataSets ?? null })
        : await catalog.acceptBackup({ ...request, mode: body.mode, allowCrashConsistent: body.allowCrashConsistent, full: body.full });
    await dispatchRun(this.dependencies, accepted);
    response.setHeader('Location', `/v1/runs/${accepted.runId}`);
    if (accepted.replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return catalog.getRun(accepted.runId);
  }

  @Post(':server/restore-plans')
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiOperation({ operationId: 'makeRestorePlan', summary: 'Starts making a restore plan. Changes nothing on the server.' })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the plan.', standardSchema: restorePlanSchema })
  async plan(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: restorePlanRequestSchema }) body: RestorePlanRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RestorePlanView> {
    const { catalog, runStarter } = this.dependencies;
    const server = await catalog.getServer(selector);
    const keyed = { actor: caller.name, idempotencyKey, requestDigest: requestDigest('POST', `/v1/servers/${server.id}/restore-plans`, body) };
    const earlier = await catalog.resultOf(keyed, 'plan');
    if (earlier !== null) return this.planned(earlier, true, response);
    const recoveryPointId = body.recoveryPointId === undefined ? null : idSelector('rp', body.recoveryPointId);
    if (body.from !== undefined) await requireCopy(catalog, server, body, body.from, recoveryPointId);
    else if (recoveryPointId === null) await requireAny(catalog, server, body);
    await runStarter.check();
    const request = {
      ...keyed,
      serverId: server.id,
      recoveryPointId,
      incidentAt: body.incidentAt === undefined ? null : new Date(body.incidentAt).toISOString(),
      ...(body.from === undefined ? {} : { from: body.from }),
    };
    const { planId, replayed } = await catalog.acceptPlan(
      body.scenario === 'data'
        ? { ...request, scenario: 'data', dataSet: body.dataSet, selection: body.selection }
        : {
            ...request,
            scenario: 'server',
            noData: body.noData,
            leaveChanges: body.leaveChanges,
            leaveCredentials: body.leaveCredentials,
            findCompatible: body.findCompatible,
            keepDisks: body.keepDisks,
            attachOldDisks: body.attachOldDisks,
          },
    );
    if (!replayed) await dispatchPlan(this.dependencies, planId);
    return this.planned(planId, replayed, response);
  }

  private async planned(planId: string, replayed: boolean, response: ServerResponse): Promise<RestorePlanView> {
    response.setHeader('Location', `/v1/restore-plans/${planId}`);
    if (replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return this.dependencies.catalog.getPlan(planId);
  }
}

/** The same of what comes from a copy. Throws `OFFSITE_NOT_CONFIGURED`, `NO_RECOVERY_POINT`; one that was named may be whole here, and is looked for then. */
async function requireCopy(catalog: Catalog, server: ServerRecord, request: RestorePlanRequest, from: string, recoveryPointId: string | null): Promise<void> {
  const until = request.incidentAt === undefined ? null : new Date(request.incidentAt).toISOString();
  const dataSet = request.scenario === 'server' ? null : request.dataSet;
  chooseCopied(await catalog.newestCopied(server.id, from, until), { server, from, dataSet, recoveryPointId });
}

/** Said at once rather than by a plan that fails. Throws `NO_RECOVERY_POINT`. */
async function requireAny(catalog: Catalog, server: ServerRecord, request: RestorePlanRequest): Promise<void> {
  if (request.scenario === 'server') {
    await catalog.newestUsable(server.id, request.incidentAt === undefined ? null : new Date(request.incidentAt).toISOString());
    return;
  }
  const { dataSet, incidentAt = null } = request;
  newestData(await catalog.usableData(server.id, dataSet), { dataSet, serverName: server.name, incidentAt });
}
