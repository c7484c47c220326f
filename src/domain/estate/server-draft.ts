import { ModosuError } from '../../contracts/errors';
import type { ResolvedServer, ServerDeclaration } from '../../contracts/estate';
import { NO_PROTECTION, type Protection } from '../../contracts/protection';
import type { ServerView } from '../../contracts/server';
import type { ServerDraft } from './inventory';

/**
 * The server that a declaration means. One that is known keeps the identity it has, also while its domain is gone. Throws `DOMAIN_NOT_FOUND` for one without a
 * domain that is new or gets another one, and `ESTATE_CONFLICT` where a known name would stand for another domain than before.
 */
export function draftOf(declaration: ServerDeclaration, known: readonly ServerView[], resolved: readonly ResolvedServer[]): ServerDraft {
  const current = known.find(({ name }) => name === declaration.name);
  const { uuid, domainName } = identityOf(declaration, current, resolved);
  if (current !== undefined && current.uuid !== uuid) {
    throw new ModosuError(
      'ESTATE_CONFLICT',
      `Server "${declaration.name}" is domain ${current.domainName} (UUID ${current.uuid}) in the catalogue, but "${domainName}" now has UUID ${uuid}.`,
      {
        hint:
          current.decommissioned === null
            ? 'A new server gets a new name: its recovery points must not be mixed with those of the old one. Nothing was changed.'
            : 'The one in the catalogue is decommissioned, and keeps its name with its recovery points and its history: give the new server another name. Nothing was changed.',
        context: { server: declaration.name, knownUuid: current.uuid, foundUuid: uuid },
      },
    );
  }
  const { name, hypervisor, repository, stopTimeoutSeconds, agentTimeoutSeconds } = declaration;
  return {
    id: current?.id ?? null,
    name,
    uuid,
    domainName,
    hypervisor,
    repository,
    policy: declaration.policy ?? null,
    stopTimeoutSeconds,
    agentTimeoutSeconds,
    protection: protectionOf(declaration),
  };
}

function identityOf(
  declaration: ServerDeclaration,
  current: ServerView | undefined,
  resolved: readonly ResolvedServer[],
): { readonly uuid: string; readonly domainName: string } {
  const found = resolved.find(({ name }) => name === declaration.name);
  if (found !== undefined) return found;
  const domainName = declaration.domain ?? declaration.name;
  if (current !== undefined && current.domainName === domainName) return current;
  throw new ModosuError(
    'DOMAIN_NOT_FOUND',
    `Hypervisor "${declaration.hypervisor}" has no domain "${domainName}" for server "${declaration.name}". Nothing was changed.`,
    {
      context: { server: declaration.name, domain: domainName, hypervisor: declaration.hypervisor },
    },
  );
}

/** What a declaration that was made without the schema leaves out counts as not declared. */
function protectionOf(declaration: Partial<Protection>): Protection {
  const { disks, nics, healthChecks, quiesce, onlineBackup, dataSets, ssh, configurationPaths, credentials } = declaration;
  return {
    disks: disks ?? NO_PROTECTION.disks,
    nics: nics ?? NO_PROTECTION.nics,
    healthChecks: healthChecks ?? NO_PROTECTION.healthChecks,
    quiesce: quiesce ?? NO_PROTECTION.quiesce,
    onlineBackup: onlineBackup ?? NO_PROTECTION.onlineBackup,
    dataSets: dataSets ?? NO_PROTECTION.dataSets,
    ssh: ssh ?? NO_PROTECTION.ssh,
    ...(configurationPaths === undefined || configurationPaths.length === 0 ? {} : { configurationPaths }),
    ...(credentials === undefined || credentials.length === 0 ? {} : { credentials }),
  };
}
