import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { policyViewSchema, type PolicyView } from '../../contracts/api/policy-view';
import { policySelector } from '../../contracts/selectors';
import type { Policy } from '../../contracts/policy';
import { knownNextDue } from '../../domain/schedules/schedule';
import type { ServerRecord } from '../../catalog/catalog';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';

const NEXT_TIMES = 5;

@ApiTags('policies')
@Controller('v1/policies')
@NeedsScope('read')
export class PoliciesController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listPolicies', summary: 'All policies, by name, with their servers and their next times.' })
  @ApiResponse({ status: 200, description: 'The policies.', standardSchema: pageOf(policyViewSchema) })
  async list(): Promise<PageOf<PolicyView>> {
    const { catalog } = this.dependencies;
    const [policies, servers] = await Promise.all([catalog.listPolicies(), catalog.listServers()]);
    const now = new Date();
    return { items: policies.map((policy) => policyView(policy, servers, now)), nextCursor: null };
  }

  @Get(':name')
  @ApiOperation({ operationId: 'showPolicy', summary: 'One policy.' })
  @ApiResponse({ status: 200, description: 'The policy.', standardSchema: policyViewSchema })
  async show(@Param('name') name: string): Promise<PolicyView> {
    const { catalog } = this.dependencies;
    const [policy, servers] = await Promise.all([catalog.getPolicy(policySelector(name)), catalog.listServers()]);
    return policyView(policy, servers, new Date());
  }
}

function policyView(policy: Policy, servers: readonly ServerRecord[], now: Date): PolicyView {
  const next = (kind: 'image' | 'data'): readonly string[] => {
    const of = policy[kind];
    return of === null ? [] : knownNextDue(of.schedule, policy.timeZone, now, NEXT_TIMES).map((due) => due.toISOString());
  };
  return {
    ...policy,
    servers: servers.filter((server) => server.policy === policy.name).map(({ name }) => name),
    nextImages: next('image'),
    nextData: next('data'),
  };
}
