import { ModosuError } from '../../contracts/errors';
import type { Relation } from '../../contracts/relation';
import type { ServerView } from '../../contracts/server';
import { hardCycle } from '../relations/cycles';
import type { ServerDraft } from './inventory';

/**
 * What an estate must not say, be it alone or together with what the catalogue knows and the file does not name. All of it throws `ESTATE_CONFLICT`, circles
 * `RELATION_CYCLE`.
 */

/** One domain under two names would have two lines of recovery points, and two runs at the same time. */
export function refuseSharedDomains(drafts: readonly ServerDraft[], known: readonly ServerView[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const server of [...known.filter(({ name }) => !declared.has(name)), ...drafts]) {
    const domain = JSON.stringify([server.hypervisor, server.uuid]);
    const owner = owners.get(domain);
    if (owner !== undefined) {
      throw new ModosuError(
        'ESTATE_CONFLICT',
        `Servers "${owner}" and "${server.name}" are the same domain ${server.domainName} (UUID ${server.uuid}) on hypervisor "${server.hypervisor}".`,
        {
          hint: sharedDomainHint([owner, server.name], known),
          context: { servers: [owner, server.name], uuid: server.uuid },
        },
      );
    }
    owners.set(domain, server.name);
  }
}

function sharedDomainHint(names: readonly string[], known: readonly ServerView[]): string {
  const decommissioned = known.find((server) => names.includes(server.name) && server.decommissioned !== null);
  return decommissioned === undefined
    ? 'Protect a domain under one name only. A server cannot be renamed in the catalogue. Nothing was changed.'
    : `Server "${decommissioned.name}" is decommissioned, and its recovery points are of that domain: take it back under its name (\`modosu server recommission ${decommissioned.name} --reason TEXT\`), or, where it is another server, give its domain a UUID of its own. Nothing was changed.`;
}

/** A copied declaration of SSH would save and restore the data of another server. */
export function refuseSharedGuests(drafts: readonly ServerDraft[], known: readonly ServerView[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  const owners = new Map<string, string>();
  const outOfService = new Set(known.filter(({ decommissioned }) => decommissioned !== null).map(({ name }) => name));
  for (const { name, protection } of [...known.filter((server) => !declared.has(server.name)), ...drafts]) {
    const { ssh } = protection;
    if (ssh === null) continue;
    // The address of a server that is out of service is free for another one; its host key tells them apart.
    const address = outOfService.has(name) ? [] : [JSON.stringify([ssh.host.toLowerCase(), ssh.port])];
    for (const key of [ssh.hostKey, ...address]) {
      const owner = owners.get(key);
      if (owner !== undefined) {
        throw new ModosuError(
          'ESTATE_CONFLICT',
          `Servers "${owner}" and "${name}" have the same SSH address or host key: programs for one would run in the other.`,
          {
            hint: 'Declare under "ssh" of each server its own address and host key; servers made from one template need new host keys. Nothing was changed.',
            context: { servers: [owner, name] },
          },
        );
      }
      owners.set(key, name);
    }
  }
}

/** A policy goes only where no server has it, be it one that the file does not declare. */
export function refuseDeletionInUse(policies: readonly string[], known: readonly ServerView[], drafts: readonly ServerDraft[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  for (const { name, policy } of known) {
    if (declared.has(name) || policy === null || !policies.includes(policy)) continue;
    throw new ModosuError('ESTATE_CONFLICT', `Policy "${policy}" cannot be deleted: server "${name}", which this file does not declare, has it.`, {
      hint: 'Declare the server with another policy, or with none, and apply again. Nothing was changed.',
      context: { policy, server: name },
    });
  }
}

/** What would hold afterwards, with what the file does not name and nobody deletes. Throws `RELATION_CYCLE`. */
export function refuseCycles(known: readonly Relation[], declared: readonly Relation[], deleted: readonly string[]): void {
  const named = new Set([...declared.map(({ name }) => name), ...deleted]);
  const cycle = hardCycle([...declared, ...known.filter(({ name }) => !named.has(name))]);
  if (cycle === null) return;
  throw new ModosuError('RELATION_CYCLE', `Servers depend on each other in a circle: ${cycle.map((name) => `"${name}"`).join(' -> ')}.`, {
    context: { cycle: [...cycle] },
  });
}
