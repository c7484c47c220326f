import { Module } from '@nestjs/common';
import { DueBackupsController } from './due-backups.controller';
import { PoliciesController } from './policies.controller';

@Module({ controllers: [PoliciesController, DueBackupsController] })
export class PoliciesModule {}
