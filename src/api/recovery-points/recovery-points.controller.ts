import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  holdRequestSchema,
  recoveryPointQuerySchema,
  recoveryPointViewSchema,
  type HoldRequest,
  type RecoveryPointQuery,
} from '../../contracts/api/recovery-point';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

@ApiTags('recovery points')
@Controller('v1/recovery-points')
@NeedsScope('read')
export class RecoveryPointsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listRecoveryPoints', summary: 'Recovery points, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(recoveryPointViewSchema) })
  async list(@Query({ schema: recoveryPointQuerySchema }) query: RecoveryPointQuery): Promise<PageOf<RecoveryPointView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listRecoveryPoints({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @ApiOperation({ operationId: 'showRecoveryPoint', summary: 'One recovery point.' })
  @ApiResponse({ status: 200, description: 'The recovery point.', standardSchema: recoveryPointViewSchema })
  async show(@Param('id', new IdPipe('rp')) id: string): Promise<RecoveryPointView> {
    return this.dependencies.catalog.getRecoveryPoint(id);
  }

  @Post(':id/hold')
  @HttpCode(200)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'holdRecoveryPoint',
    summary: 'Whatever its policy says, it stays. The same again changes nothing; while somebody else holds it, 409.',
  })
  @ApiResponse({ status: 200, description: 'The recovery point.', standardSchema: recoveryPointViewSchema })
  async hold(
    @Param('id', new IdPipe('rp')) id: string,
    @Body({ schema: holdRequestSchema }) body: HoldRequest,
    @Caller() caller: TokenRecord,
  ): Promise<RecoveryPointView> {
    return this.dependencies.catalog.holdRecoveryPoint(caller.name, id, body.reason);
  }

  @Post(':id/release')
  @HttpCode(200)
  @NeedsScope('operate')
  @ApiOperation({ operationId: 'releaseRecoveryPoint', summary: 'Ends a hold: its policy says again how long it stays.' })
  @ApiResponse({ status: 200, description: 'The recovery point.', standardSchema: recoveryPointViewSchema })
  async release(
    @Param('id', new IdPipe('rp')) id: string,
    @Body({ schema: holdRequestSchema }) body: HoldRequest,
    @Caller() caller: TokenRecord,
  ): Promise<RecoveryPointView> {
    return this.dependencies.catalog.releaseRecoveryPoint(caller.name, id, body.reason);
  }
}
