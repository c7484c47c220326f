import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags, type OpenAPIObject } from '@nestjs/swagger';
import { NeedsScope } from '../http/token.guard';
import { ApiDocument } from './api-document';

@ApiTags('documents')
@Controller('v1/openapi.json')
@NeedsScope('read')
export class DocumentsController {
  constructor(private readonly document: ApiDocument) {}

  @Get()
  @ApiOperation({ operationId: 'openApiDocument', summary: 'This document.' })
  @ApiResponse({ status: 200, description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } })
  show(): OpenAPIObject {
    return this.document.content;
  }
}
