import { Module } from '@nestjs/common';
import { RestoreSetsController } from './restore-sets.controller';

@Module({ controllers: [RestoreSetsController] })
export class RestoreSetsModule {}
