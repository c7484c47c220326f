import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { cancelRequestSchema, runQuerySchema, runViewSchema, type CancelRequest, type RunQuery } from '../../contracts/api/run';
import { toModosuError } from '../../contracts/errors';
import { isFinal, type RunView } from '../../contracts/run';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { etagOf, matches } from '../http/etag';
import { AcceptsIdempotencyKey, IdempotencyKey } from '../http/idempotency';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';
import { RunEvents } from './run-events';

@ApiTags('runs')
@Controller('v1/runs')
export class RunsController {
  constructor(
    @Dependencies() private readonly dependencies: ApiDependencies,
    private readonly events: RunEvents,
  ) {}

  @Get()
  @NeedsScope('read')
  @ApiOperation({ operationId: 'listRuns', summary: 'Runs, newest first, without their steps.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(runViewSchema) })
  async list(@Query({ schema: runQuerySchema }) query: RunQuery): Promise<PageOf<RunView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    const page = { limit: query.limit, cursor: query.cursor ?? null };
    return catalog.listRuns({ serverId: server?.id, kind: query.kind, state: query.state }, page);
  }

  @Get(':id')
  @NeedsScope('read')
  @ApiHeader({ name: 'If-None-Match', required: false, description: '304 while the run is as it was.' })
  @ApiOperation({ operationId: 'showRun', summary: 'One run with its steps.' })
  @ApiResponse({ status: 200, description: 'The run.', standardSchema: runViewSchema })
  @ApiResponse({ status: 304, description: 'Unchanged.' })
  async show(
    @Param('id', new IdPipe('run')) id: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView | undefined> {
    const run = await this.dependencies.catalog.getRun(id);
    const etag = etagOf(run);
    response.setHeader('ETag', etag);
    if (!matches(ifNoneMatch, etag)) return run;
    response.statusCode = 304;
    return undefined;
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiBody({ required: false, description: 'May be left out.', schema: { $ref: '#/components/schemas/CancelRequest' } })
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'cancelRun',
    summary: 'Asks a run to stop and undo what it has changed. Asking twice changes nothing.',
    description: 'Taken also while Temporal does not answer: the run hears of it when it is back, before any approval that waits for it.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names the run.', standardSchema: runViewSchema })
  async cancel(
    @Param('id', new IdPipe('run')) id: string,
    @Body({ schema: cancelRequestSchema }) body: CancelRequest,
    @IdempotencyKey() _idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<RunView> {
    const { catalog, runStarter, log } = this.dependencies;
    const run = await catalog.getRun(id);
    const askedBefore = run.cancelRequested;
    if (!askedBefore || !isFinal(run.state)) {
      if (!askedBefore) await catalog.requestCancel(caller.name, id, body?.reason ?? null);
      try {
        await runStarter.cancelRun(id, run.serverId);
      } catch (error) {
        log.warn({ runId: id, code: toModosuError(error).code, error: String(error) }, 'cancel written down but not delivered yet; a worker will deliver it');
      }
    }
    response.setHeader('Location', `/v1/runs/${id}`);
    return catalog.getRun(id);
  }

  @Get(':id/events')
  @NeedsScope('read')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Id of the last event seen; the current state comes at once unless it is that one.' })
  @ApiProduces('text/event-stream')
  @ApiOperation({
    operationId: 'followRun',
    summary: 'Server-sent events: the whole run each time it changes, until it has ended.',
    description: 'Event name `run`, data as in `showRun`, one line of JSON. A comment line every 15 s keeps the connection open.',
  })
  @ApiResponse({ status: 200, description: 'The stream.', content: { 'text/event-stream': { schema: { type: 'string' } } } })
  async follow(
    @Param('id', new IdPipe('run')) id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Caller() caller: TokenRecord,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const run = await this.dependencies.catalog.getRun(id);
    await this.events.stream(run, { lastEventId: lastEventId ?? null, token: caller }, response);
  }
}
