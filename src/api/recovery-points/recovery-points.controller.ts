import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { recoveryPointQuerySchema, recoveryPointViewSchema, type RecoveryPointQuery } from '../../contracts/api/recovery-point';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { NeedsScope } from '../http/token.guard';

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
    return catalog.listRecoveryPoints({ serverId: server?.id }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @ApiOperation({ operationId: 'showRecoveryPoint', summary: 'One recovery point.' })
  @ApiResponse({ status: 200, description: 'The recovery point.', standardSchema: recoveryPointViewSchema })
  async show(@Param('id', new IdPipe('rp')) id: string): Promise<RecoveryPointView> {
    return this.dependencies.catalog.getRecoveryPoint(id);
  }
}
