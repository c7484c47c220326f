import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { dueBackupQuerySchema, dueBackupSchema, type DueBackupQuery } from '../../contracts/api/due-backup';
import type { DueBackupView } from '../../contracts/due-backup';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';

@ApiTags('policies')
@Controller('v1/due-backups')
@NeedsScope('read')
export class DueBackupsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listDueBackups', summary: 'Backups that schedules have asked for, newest first: those that wait say for what.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(dueBackupSchema) })
  async list(@Query({ schema: dueBackupQuerySchema }) query: DueBackupQuery): Promise<PageOf<DueBackupView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listDueBackups({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }
}
