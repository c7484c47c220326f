import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Catalog, TokenRecord } from '../../catalog/catalog';
import { backupSetSchema, groupBackupRequestSchema, groupViewSchema, type GroupBackupRequest, type GroupView } from '../../contracts/api/backup-set';
import { pageOf, type PageOf } from '../../contracts/api/common';
import type { BackupSetView, ServerGroup } from '../../contracts/backup-set';
import { ModosuError } from '../../contracts/errors';
import { groupSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { dispatchSet } from '../dispatch';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { Caller, NeedsScope } from '../http/token.guard';

@ApiTags('groups')
@Controller('v1/groups')
@NeedsScope('read')
export class GroupsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listGroups', summary: 'All groups of servers that are backed up as a set, by name, each with its newest set.' })
  @ApiResponse({ status: 200, description: 'The groups.', standardSchema: pageOf(groupViewSchema) })
  async list(): Promise<PageOf<GroupView>> {
    const { catalog } = this.dependencies;
    return { items: await groupViews(catalog, await catalog.listGroups()), nextCursor: null };
  }

  @Get(':name')
  @ApiOperation({ operationId: 'showGroup', summary: 'One group.' })
  @ApiResponse({ status: 200, description: 'The group.', standardSchema: groupViewSchema })
  async show(@Param('name') name: string): Promise<GroupView> {
    const { catalog } = this.dependencies;
    const group = await catalog.getGroup(groupSelector(name));
    const [view] = await groupViews(catalog, [group]);
    return view ?? { ...group, lastSet: null };
  }

  @Post(':name/backups')
  @HttpCode(202)
  @NeedsScope('operate')
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'startBackupSet',
    summary: 'Takes an image of every server of the group, frozen as close together as can be: all begin, or none. The servers go on running.',
  })
  @ApiResponse({ status: 202, description: 'Accepted; Location names the set.', standardSchema: backupSetSchema })
  async backUp(
    @Param('name') name: string,
    @Body({ schema: groupBackupRequestSchema }) body: GroupBackupRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<BackupSetView> {
    const { catalog, runStarter } = this.dependencies;
    const group = await catalog.getGroup(groupSelector(name));
    if (body.mode === 'offline') {
      throw new ModosuError(
        'BACKUP_SET_ONLINE_ONLY',
        `The servers of group "${group.name}" cannot be taken offline as a set: each would be stopped at another moment. Nothing was started.`,
        { context: { group: group.name } },
      );
    }
    await runStarter.check();
    const { backupSetId, replayed } = await catalog.acceptBackupSet({
      actor: caller.name,
      idempotencyKey,
      requestDigest: requestDigest('POST', `/v1/groups/${group.name}/backups`, body),
      group: group.name,
      reason: body.reason,
      allowCrashConsistent: body.allowCrashConsistent,
    });
    if (!replayed) await dispatchSet(this.dependencies, backupSetId);
    response.setHeader('Location', `/v1/backup-sets/${backupSetId}`);
    if (replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return catalog.getSet(backupSetId);
  }
}

async function groupViews(catalog: Catalog, groups: readonly ServerGroup[]): Promise<GroupView[]> {
  const newest = await catalog.newestSets(groups.map(({ name }) => name));
  return groups.map((group) => ({ ...group, lastSet: newest.find((set) => set.group === group.name) ?? null }));
}
