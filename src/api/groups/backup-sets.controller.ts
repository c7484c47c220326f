import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { backupSetQuerySchema, backupSetSchema, type BackupSetQuery } from '../../contracts/api/backup-set';
import { pageOf, type PageOf } from '../../contracts/api/common';
import type { BackupSetView } from '../../contracts/backup-set';
import { groupSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { NeedsScope } from '../http/token.guard';

@ApiTags('groups')
@Controller('v1/backup-sets')
@NeedsScope('read')
export class BackupSetsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listBackupSets', summary: 'Sets of recovery points that were asked for, newest first; also those of groups that are gone.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(backupSetSchema) })
  async list(@Query({ schema: backupSetQuerySchema }) query: BackupSetQuery): Promise<PageOf<BackupSetView>> {
    const group = query.group === undefined ? undefined : groupSelector(query.group);
    return this.dependencies.catalog.listSets({ group }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @ApiOperation({ operationId: 'showBackupSet', summary: 'One set: its servers, their recovery points, and how far these lie apart.' })
  @ApiResponse({ status: 200, description: 'The set.', standardSchema: backupSetSchema })
  async show(@Param('id', new IdPipe('set')) id: string): Promise<BackupSetView> {
    return this.dependencies.catalog.getSet(id);
  }
}
