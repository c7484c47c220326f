import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  cancelVerificationRequestSchema,
  verificationQuerySchema,
  verificationSchema,
  verifyRequestSchema,
  verifyServerRequestSchema,
  type CancelVerificationRequest,
  type VerificationQuery,
  type VerifyRequest,
  type VerifyServerRequest,
} from '../../contracts/api/verification';
import { toModosuError } from '../../contracts/errors';
import { serverSelector } from '../../contracts/selectors';
import type { VerificationView } from '../../contracts/verification';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe, ServerSelectorPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

/** Reading stored recovery points again, and booting images. */
@ApiTags('verifications')
@Controller('v1')
@NeedsScope('read')
export class VerificationsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Post('recovery-points/:id/verifications')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'verifyRecoveryPoint',
    summary: 'Has all bytes of a recovery point read again, or an image booted. While one of it waits or runs, that one is given back.',
    description:
      'It begins when no other one reads the same repository and no restore does. One that is damaged is usable again when it is read well. A boot happens near the server, without any network, and leaves the image as it is.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names it.', standardSchema: verificationSchema })
  async verify(
    @Param('id', new IdPipe('rp')) id: string,
    @Body({ schema: verifyRequestSchema }) { reason, method }: VerifyRequest,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<VerificationView> {
    const verification = await this.dependencies.catalog.requestVerification({ actor: caller.name, method, recoveryPointId: id, reason });
    response.setHeader('Location', `/v1/verifications/${verification.id}`);
    return verification;
  }

  @Post('servers/:server/verifications')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'verifyServer',
    summary:
      'Has all data of a server read again (all that its recovery points need is there, and is what was written), or its newest image booted. While one waits or runs, that one.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names it.', standardSchema: verificationSchema })
  async verifyServer(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: verifyServerRequestSchema }) { reason, method }: VerifyServerRequest,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<VerificationView> {
    const { catalog } = this.dependencies;
    const { id: serverId } = await catalog.getServer(selector);
    const what = method === 'boot' ? ({ method, recoveryPointId: (await catalog.newestUsable(serverId)).id } as const) : ({ method, serverId } as const);
    const verification = await catalog.requestVerification({ actor: caller.name, reason, ...what });
    response.setHeader('Location', `/v1/verifications/${verification.id}`);
    return verification;
  }

  @Get('verifications')
  @ApiOperation({ operationId: 'listVerifications', summary: 'Verifications, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(verificationSchema) })
  async list(@Query({ schema: verificationQuerySchema }) query: VerificationQuery): Promise<PageOf<VerificationView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listVerifications({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get('verifications/:id')
  @ApiOperation({ operationId: 'showVerification', summary: 'One verification.' })
  @ApiResponse({ status: 200, description: 'The verification.', standardSchema: verificationSchema })
  async show(@Param('id', new IdPipe('vrf')) id: string): Promise<VerificationView> {
    return this.dependencies.catalog.getVerification(id);
  }

  @Post('verifications/:id/cancel')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'cancelVerification',
    summary: 'Stops a verification: it ends not-run, and nothing is known by it. Asking twice changes nothing; one that has ended is 409.',
  })
  @ApiResponse({ status: 202, description: 'The verification; it may still run for a moment.', standardSchema: verificationSchema })
  async cancel(
    @Param('id', new IdPipe('vrf')) id: string,
    @Body({ schema: cancelVerificationRequestSchema }) body: CancelVerificationRequest,
    @Caller() caller: TokenRecord,
  ): Promise<VerificationView> {
    const { catalog, runStarter, log } = this.dependencies;
    const verification = await catalog.cancelVerification({ actor: caller.name, id, reason: body.reason });
    if (verification.state !== 'running') return verification;
    try {
      await runStarter.cancelVerification(id);
    } catch (error) {
      log.warn(
        { verificationId: id, code: toModosuError(error).code, error: String(error) },
        'cancelling is written down but not delivered yet; a worker will deliver it',
      );
    }
    return catalog.getVerification(id);
  }
}
