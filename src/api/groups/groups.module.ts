import { Module } from '@nestjs/common';
import { BackupSetsController } from './backup-sets.controller';
import { GroupsController } from './groups.controller';

@Module({ controllers: [GroupsController, BackupSetsController] })
export class GroupsModule {}
