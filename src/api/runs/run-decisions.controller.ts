import type { ServerResponse } from 'node:http';
import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { DecisionRequest, TokenRecord } from '../../catalog/catalog';
import { restorePlanSchema } from '../../contracts/api/restore-plan';
import {
  confirmRequestSchema,
  goLiveRequestSchema,
  runViewSchema,
  signOffRequestSchema,
  type ConfirmRequest,
  type GoLiveRequest,
  type SignOffRequest,
} from '../../contracts/api/run';
import { ModosuError, toModosuError } from '../../contracts/errors';
import type { RestorePlanView } from '../../contracts/plan';
import { isFinal, type RunView } from '../../contracts/run';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { dispatchPlan, dispatchRun } from '../dispatch';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

/** What people decide about a restore: sign off what was applied again, let it go live, undo it, or confirm that it stays. */
@ApiTags('runs')
@Controller('v1/runs')
@NeedsScope('operate')
export class RunDecisionsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Post(':id/go-live')
  @HttpCode(202)
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'goLive',
    summary: 'Lets a run go on that waits before go-live: the server gets its production network. Asking twice changes nothing.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names the run.', standardSchema: runViewSchema })
  async goLive(
    @Param('id', new IdPipe('run')) id: string,
    @Body({ schema: goLiveRequestSchema }) body: GoLiveRequest,
    @IdempotencyKey() _idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    response.setHeader('Location', `/v1/runs/${id}`);
    return this.decide({ actor: caller.name, runId: id, kind: 'go-live', reason: body.reason });
  }

  @Post(':id/sign-off')
  @HttpCode(202)
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'signOff',
    summary:
      'Says that what people do for a restored server is done, before go-live or after it, and which configuration changes were applied again; the run that waits for that goes on. Asking twice changes nothing.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names the run.', standardSchema: runViewSchema })
  async signOff(
    @Param('id', new IdPipe('run')) id: string,
    @Body({ schema: signOffRequestSchema }) body: SignOffRequest,
    @IdempotencyKey() _idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    response.setHeader('Location', `/v1/runs/${id}`);
    return this.decide({ actor: caller.name, runId: id, kind: 'sign-off', reason: body.reason, notApplied: body.notApplied });
  }

  private async decide(request: DecisionRequest): Promise<RunView> {
    const { catalog, runStarter, log } = this.dependencies;
    const { runId: id, kind, actor, reason } = request;
    const run = await catalog.getRun(id);
    const decisions = [await catalog.getDecision(id, kind), kind === 'sign-off' ? await catalog.getDecision(id, 'sign-off-live') : null];
    // The same words of the same person are the same request, sent again after its answer was lost; the run may have ended meanwhile.
    if (isFinal(run.state) && decisions.some((decision) => decision?.actor === actor && decision.reason === reason)) return run;
    await catalog.decide(request);
    try {
      await runStarter.tellDecided(id, run.serverId);
    } catch (error) {
      log.warn({ runId: id, code: toModosuError(error).code, error: String(error) }, 'decision written down but not delivered yet; a worker will deliver it');
    }
    return catalog.getRun(id);
  }

  @Post(':id/undo-plans')
  @HttpCode(202)
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'makeUndoPlan',
    summary: 'Starts making the plan of an undo: back to the volumes that this run has replaced. Changes nothing on the server.',
    description: 'For a run that has ended; one that is still open is undone by cancelling it. The plan is carried out like a restore plan.',
  })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the plan.', standardSchema: restorePlanSchema })
  async planUndo(
    @Param('id', new IdPipe('run')) id: string,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RestorePlanView> {
    const { catalog, runStarter } = this.dependencies;
    const run = await catalog.getRun(id);
    if (!isFinal(run.state)) {
      throw new ModosuError('SERVER_BUSY', `Run ${id} has not ended yet.`, {
        hint: `Before go-live it is undone by cancelling it (\`modosu run undo ${id} --reason TEXT\`); after it, wait for its end.`,
        context: { runId: id },
      });
    }
    await runStarter.check();
    const { planId, replayed } = await catalog.acceptUndoPlan({
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/runs/${id}/undo-plans`, null),
      ofRunId: id,
    });
    if (!replayed) await dispatchPlan(this.dependencies, planId);
    response.setHeader('Location', `/v1/restore-plans/${planId}`);
    if (replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return catalog.getPlan(planId);
  }

  @Post(':id/confirm')
  @HttpCode(202)
  @AcceptsIdempotencyKey()
  @ApiOperation({ operationId: 'confirmRun', summary: 'Starts a run that deletes the volumes which this run has replaced. It cannot be undone afterwards.' })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the run that deletes them.', standardSchema: runViewSchema })
  async confirm(
    @Param('id', new IdPipe('run')) id: string,
    @Body({ schema: confirmRequestSchema }) body: ConfirmRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    const { catalog, runStarter } = this.dependencies;
    const { serverId } = await catalog.getRun(id);
    await runStarter.check();
    const accepted = await catalog.acceptConfirm({
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/runs/${id}/confirm`, body),
      serverId,
      reason: body.reason,
      ofRunId: id,
    });
    await dispatchRun(this.dependencies, accepted);
    response.setHeader('Location', `/v1/runs/${accepted.runId}`);
    if (accepted.replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return catalog.getRun(accepted.runId);
  }
}
