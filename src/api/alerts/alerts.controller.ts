import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { AlertView } from '../../contracts/alert';
import { alertQuerySchema, alertSchema, type AlertQuery } from '../../contracts/api/alert';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';

@ApiTags('alerts')
@Controller('v1/alerts')
@NeedsScope('read')
export class AlertsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listAlerts', summary: 'What people were told of without looking, newest first, with how the telling went.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(alertSchema) })
  async list(@Query({ schema: alertQuerySchema }) query: AlertQuery): Promise<PageOf<AlertView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listAlerts({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }
}
