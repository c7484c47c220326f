import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { estateStatusSchema } from '../../contracts/api/status';
import type { EstateStatus } from '../../contracts/protection-status';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';
import { estateStatus } from './estate-status';

@ApiTags('status')
@Controller('v1/status')
@NeedsScope('read')
export class StatusController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'estateStatus', summary: 'Whether every server is protected as its policy promises, and what is in breach.' })
  @ApiResponse({ status: 200, description: 'The status, also when something is in breach.', standardSchema: estateStatusSchema })
  async status(): Promise<EstateStatus> {
    return estateStatus(this.dependencies.catalog, new Date());
  }
}
