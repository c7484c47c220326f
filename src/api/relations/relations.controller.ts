import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, serverQueryField, type PageOf } from '../../contracts/api/common';
import { judgementQuerySchema, judgementSchema, judgeRequestSchema, type JudgementQuery, type JudgeRequest } from '../../contracts/api/judgement';
import { relationSchema } from '../../contracts/api/relation';
import { toModosuError } from '../../contracts/errors';
import type { JudgementView } from '../../contracts/judgement';
import type { Relation } from '../../contracts/relation';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { Caller, NeedsScope } from '../http/token.guard';

const querySchema = z.strictObject({ server: serverQueryField });

@ApiTags('relations')
@Controller('v1/relations')
@NeedsScope('read')
export class RelationsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listRelations', summary: 'All relations between servers, by name; with `server` those in which it is the server or a peer.' })
  @ApiResponse({ status: 200, description: 'The relations.', standardSchema: pageOf(relationSchema) })
  async list(@Query({ schema: querySchema }) query: z.output<typeof querySchema>): Promise<PageOf<Relation>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : (await catalog.getServer(serverSelector(query.server))).name;
    return { items: await catalog.listRelations({ server }), nextCursor: null };
  }
  @Get('judgements')
  @ApiOperation({
    operationId: 'listJudgements',
    summary:
      'Whether servers could come back alone: their newest images, judged beside their peers as they were when they were asked last; by name of the server.',
    description:
      'Of servers in service that have a usable image and are in a relation of the type replicates-with or member-of, on either side, or go back in any with a profile.',
  })
  @ApiResponse({ status: 200, description: 'What is known of each, with all findings.', standardSchema: pageOf(judgementSchema) })
  async judgements(@Query({ schema: judgementQuerySchema }) { server }: JudgementQuery): Promise<PageOf<JudgementView>> {
    const { catalog } = this.dependencies;
    const serverId = server === undefined ? undefined : (await catalog.getServer(serverSelector(server))).id;
    return { items: await catalog.listJudgements({ serverId }), nextCursor: null };
  }

  @Post('judgements')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'judge',
    summary: 'Has newest images judged now, as the night does: peers are asked, nothing of any server is changed.',
    description: 'It is over when `isAsked` is false. Asking again, also while it runs, has them judged once more.',
  })
  @ApiResponse({ status: 202, description: 'Those that are judged; empty: no server has rules to be judged by.', standardSchema: pageOf(judgementSchema) })
  async judge(@Body({ schema: judgeRequestSchema }) { server }: JudgeRequest, @Caller() caller: TokenRecord): Promise<PageOf<JudgementView>> {
    const { catalog, runStarter, log } = this.dependencies;
    const serverId = server === undefined ? null : (await catalog.getServer(serverSelector(server))).id;
    const items = await catalog.askForJudgement({ actor: caller.name, serverId });
    try {
      await runStarter.startJudging();
    } catch (error) {
      log.warn({ code: toModosuError(error).code, error: String(error) }, 'judging is asked for but has not begun yet; a worker will begin it');
    }
    return { items, nextCursor: null };
  }
}
