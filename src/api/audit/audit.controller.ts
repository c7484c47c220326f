import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { auditEntrySchema, auditQuerySchema, auditVerificationSchema, type AuditQuery } from '../../contracts/api/audit';
import { pageOf, type PageOf } from '../../contracts/api/common';
import type { AuditEntryView, AuditVerification } from '../../contracts/run';
import { idSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';

@ApiTags('audit')
@Controller('v1/audit')
@NeedsScope('read')
export class AuditController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listAudit', summary: 'Audit entries, oldest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(auditEntrySchema) })
  async list(@Query({ schema: auditQuerySchema }) query: AuditQuery): Promise<PageOf<AuditEntryView>> {
    const { catalog } = this.dependencies;
    // A mistyped id must not look like a run without entries.
    const run = query.run === undefined ? undefined : await catalog.getRun(idSelector('run', query.run));
    return catalog.listAudit({ runId: run?.id }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get('verify')
  @ApiOperation({ operationId: 'verifyAudit', summary: 'Walks the whole hash chain; names the first bad entry.' })
  @ApiResponse({ status: 200, description: 'The verdict.', standardSchema: auditVerificationSchema })
  async verify(): Promise<AuditVerification> {
    return this.dependencies.catalog.verifyAudit();
  }
}
