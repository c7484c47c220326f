import { Module } from '@nestjs/common';
import { ApiDocument } from './api-document';
import { DocumentsController } from './documents.controller';

@Module({ controllers: [DocumentsController], providers: [ApiDocument] })
export class DocumentsModule {}
