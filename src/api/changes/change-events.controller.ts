import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { changeEventSchema, changeSchema, type ChangeEvent } from '../../contracts/api/change';
import type { ChangeView } from '../../contracts/change';
import { ModosuError } from '../../contracts/errors';
import { serverSelector } from '../../contracts/selectors';
import { quoted } from '../../contracts/text';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { requestDigest } from '../http/idempotency';
import { Caller, NeedsScope } from '../http/token.guard';
import { requireMayApply } from './allowed';
import { completeChange } from './complete-change';

/** For configuration-management tools: one address, told when something begins and how it ended, in whatever order and however often. */
@ApiTags('changes')
@Controller('v1/change-events')
export class ChangeEventsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Post()
  @HttpCode(200)
  @NeedsScope('change')
  @ApiOperation({
    operationId: 'tellChangeEvent',
    summary: 'A tool tells that it begins to change a server, or how that has ended. Its own id names the change, so that every message may come twice.',
  })
  @ApiResponse({ status: 200, description: 'The change.', standardSchema: changeSchema })
  async tell(@Body({ schema: changeEventSchema }) body: ChangeEvent, @Caller() caller: TokenRecord): Promise<ChangeView> {
    requireMayApply(caller, body.applyAgain);
    const { catalog } = this.dependencies;
    const actor = caller.name;
    const { server, externalId, event, title, ticket, author, applyAgain, madeAgain } = body;
    const { id: serverId } = await catalog.getServer(serverSelector(server));
    const known = await catalog.findChange(serverId, externalId);
    if (event === 'failed') {
      if (known === null) {
        throw new ModosuError('CHANGE_NOT_FOUND', `Nobody has told of a change ${quoted(externalId)} of this server that could have failed.`);
      }
      return catalog.cancelChange({ actor, id: known.id, reason: 'its tool says that it has failed' });
    }
    const digest = requestDigest('POST', '/v1/change-events', body);
    const opened = { actor, idempotencyKey: null, requestDigest: digest, serverId, title: title ?? externalId, ticket, author, applyAgain, externalId };
    // How it began is not said again with its end.
    const change = known ?? (await catalog.openChange(opened)).change;
    return event === 'completed' ? completeChange(this.dependencies, { actor, id: change.id, madeAgain }) : change;
  }
}
