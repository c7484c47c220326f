import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { profileSummarySchema, profileViewSchema, type ProfileSummary, type ProfileView } from '../../contracts/api/profile-view';
import { profileSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';
import { findProfile } from './find-profile';

@ApiTags('profiles')
@Controller('v1/profiles')
@NeedsScope('read')
export class ProfilesController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({
    operationId: 'listProfiles',
    summary: 'All consistency profiles as they are now, by name: the shipped ones and your own. None while a file of them is wrong.',
  })
  @ApiResponse({ status: 200, description: 'The profiles, without markers and rules.', standardSchema: pageOf(profileSummarySchema) })
  async list(): Promise<PageOf<ProfileSummary>> {
    const loaded = await this.dependencies.profiles.load();
    const items = loaded.map(({ origin, profile: { name, status, title, description, parameters } }) => ({
      name,
      origin,
      status,
      title,
      description,
      parameters,
    }));
    return { items, nextCursor: null };
  }

  @Get(':name')
  @ApiOperation({ operationId: 'showProfile', summary: 'One consistency profile: its parameters, markers and rules.' })
  @ApiResponse({ status: 200, description: 'The profile.', standardSchema: profileViewSchema })
  async show(@Param('name') name: string): Promise<ProfileView> {
    const { origin, profile } = findProfile(await this.dependencies.profiles.load(), profileSelector(name));
    return { origin, profile };
  }
}
