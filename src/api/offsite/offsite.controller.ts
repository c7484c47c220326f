import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  cancelTransferRequestSchema,
  copyRequestSchema,
  fetchRequestSchema,
  offsiteListSchema,
  transferQuerySchema,
  transferSchema,
  type CancelTransferRequest,
  type CopyRequest,
  type FetchRequest,
  type TransferQuery,
} from '../../contracts/api/offsite';
import { toModosuError } from '../../contracts/errors';
import type { OffsiteRepositoryView, TransferView } from '../../contracts/offsite-copies';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

/** Copies of recovery points elsewhere, and having them back. */
@ApiTags('off-site')
@Controller('v1')
@NeedsScope('read')
export class OffsiteController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get('offsite')
  @ApiOperation({ operationId: 'listOffsite', summary: 'Off-site repositories, by name, and what is known of them.' })
  @ApiResponse({ status: 200, description: 'All of them.', standardSchema: offsiteListSchema })
  async list(): Promise<{ readonly items: readonly OffsiteRepositoryView[] }> {
    return { items: await this.dependencies.catalog.offsiteRepositories() };
  }

  @Get('offsite/transfers')
  @ApiOperation({ operationId: 'listTransfers', summary: 'What is copied, fetched, checked and removed off-site, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(transferSchema) })
  async transfers(@Query({ schema: transferQuerySchema }) query: TransferQuery): Promise<PageOf<TransferView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    const filter = { serverId: server?.id, state: query.state, offsite: query.offsite };
    return catalog.listTransfers(filter, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get('offsite/transfers/:id')
  @ApiOperation({ operationId: 'showTransfer', summary: 'One transfer.' })
  @ApiResponse({ status: 200, description: 'The transfer.', standardSchema: transferSchema })
  async show(@Param('id', new IdPipe('trf')) id: string): Promise<TransferView> {
    return this.dependencies.catalog.getTransfer(id);
  }

  @Post('offsite/transfers/:id/cancel')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'cancelTransfer',
    summary: 'Stops a transfer. What a policy asks for comes again some hours later; what was sent is not sent again. One that has ended is 409.',
  })
  @ApiResponse({ status: 202, description: 'The transfer; it may still run for a moment.', standardSchema: transferSchema })
  async cancel(
    @Param('id', new IdPipe('trf')) id: string,
    @Body({ schema: cancelTransferRequestSchema }) { reason }: CancelTransferRequest,
    @Caller() caller: TokenRecord,
  ): Promise<TransferView> {
    const { catalog, runStarter, log } = this.dependencies;
    const transfer = await catalog.cancelTransfer({ actor: caller.name, id, reason });
    if (transfer.state !== 'running') return transfer;
    try {
      await runStarter.cancelTransfer(id);
    } catch (error) {
      const { code } = toModosuError(error);
      log.warn({ transferId: id, code, error: String(error) }, 'cancelling is written down but not delivered yet; a worker will deliver it');
    }
    return catalog.getTransfer(id);
  }

  @Post('recovery-points/:id/copies')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'copyRecoveryPoint',
    summary: 'Has a recovery point copied off-site, with what it builds on. While one of the same waits or runs, that one is given back.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names the transfer.', standardSchema: transferSchema })
  async copy(
    @Param('id', new IdPipe('rp')) id: string,
    @Body({ schema: copyRequestSchema }) { reason, to }: CopyRequest,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TransferView> {
    return this.asked(
      response,
      await this.dependencies.catalog.requestTransfer({ actor: caller.name, reason, kind: 'copy', recoveryPointId: id, offsite: to }),
    );
  }

  @Post('recovery-points/:id/fetches')
  @HttpCode(202)
  @NeedsScope('operate')
  @ApiOperation({
    operationId: 'fetchRecoveryPoint',
    summary: 'Has a recovery point back from its copy, with what it builds on: where it is damaged, lost, or was let go.',
    description:
      'What is fetched is read whole and compared with its manifest before it is published again under its own id. What is there whole is left alone. One that its policy had let go is held afterwards.',
  })
  @ApiResponse({ status: 202, description: 'Written down; Location names the transfer.', standardSchema: transferSchema })
  async fetch(
    @Param('id', new IdPipe('rp')) id: string,
    @Body({ schema: fetchRequestSchema }) { reason, from }: FetchRequest,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TransferView> {
    return this.asked(
      response,
      await this.dependencies.catalog.requestTransfer({ actor: caller.name, reason, kind: 'fetch', recoveryPointId: id, offsite: from }),
    );
  }

  private asked(response: ServerResponse, transfer: TransferView): TransferView {
    response.setHeader('Location', `/v1/offsite/transfers/${transfer.id}`);
    return transfer;
  }
}
