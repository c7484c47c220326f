import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  restorePlanQuerySchema,
  restorePlanSchema,
  restorePlanSummarySchema,
  restoreRunRequestSchema,
  type RestorePlanQuery,
  type RestoreRunRequest,
} from '../../contracts/api/restore-plan';
import { runViewSchema } from '../../contracts/api/run';
import { ModosuError } from '../../contracts/errors';
import type { RestorePlanSummary, RestorePlanView } from '../../contracts/plan';
import type { RunView } from '../../contracts/run';
import { serverSelector } from '../../contracts/selectors';
import { whyNoHold } from '../../domain/planning/hold';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { dispatchRun } from '../dispatch';
import { matches } from '../http/etag';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { RequestInvalidError } from '../http/request-invalid.error';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

@ApiTags('restore plans')
@Controller('v1/restore-plans')
export class RestorePlansController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @NeedsScope('read')
  @ApiOperation({ operationId: 'listRestorePlans', summary: 'Plans of restores and of undos without what they say, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(restorePlanSummarySchema) })
  async list(@Query({ schema: restorePlanQuerySchema }) query: RestorePlanQuery): Promise<PageOf<RestorePlanSummary>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listPlans({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'showRestorePlan', summary: 'One plan, of a restore or of an undo. Immutable once it is ready; its hash is the ETag.' })
  @ApiResponse({ status: 200, description: 'The plan.', standardSchema: restorePlanSchema })
  async show(@Param('id', new IdPipe('plan')) id: string, @Res({ passthrough: true }) response: ServerResponse): Promise<RestorePlanView> {
    const plan = await this.dependencies.catalog.getPlan(id);
    if (plan.hash !== null) response.setHeader('ETag', `"${plan.hash}"`);
    return plan;
  }

  @Post(':id/run')
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiHeader({ name: 'If-Match', required: false, description: 'The hash of the plan that was read, in quotes.' })
  @ApiOperation({ operationId: 'runRestorePlan', summary: 'Carries a plan out, once. The name of the server has to be typed again.' })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the run.', standardSchema: runViewSchema })
  async run(
    @Param('id', new IdPipe('plan')) id: string,
    @Body({ schema: restoreRunRequestSchema }) body: RestoreRunRequest,
    @Headers('if-match') ifMatch: string | undefined,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    const { catalog, runStarter } = this.dependencies;
    const plan = await catalog.getPlan(id);
    if (ifMatch !== undefined && !matches(ifMatch, `"${plan.hash ?? ''}"`)) {
      throw new ModosuError('IF_MATCH_FAILED', `Plan ${id} does not have the hash that was read.`, { hint: 'Make a new plan and read it.' });
    }
    const noHold = whyNoHold(plan.scenario);
    if (body.hold && noHold !== null) throw new RequestInvalidError('REQUEST_INVALID', [{ path: 'hold', message: noHold }]);
    await runStarter.check();
    const accepted = await catalog.acceptPlanned({
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/restore-plans/${id}/run`, body),
      serverId: plan.serverId,
      reason: body.reason,
      planId: id,
      confirm: body.confirm,
      hold: body.hold,
      findings: { override: body.override, acknowledgeUnknown: body.acknowledgeUnknown },
    });
    await dispatchRun(this.dependencies, accepted);
    response.setHeader('Location', `/v1/runs/${accepted.runId}`);
    if (accepted.replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return catalog.getRun(accepted.runId);
  }
}
