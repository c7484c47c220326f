import { Module } from '@nestjs/common';
import { OffsiteController } from './offsite.controller';

@Module({ controllers: [OffsiteController] })
export class OffsiteModule {}
