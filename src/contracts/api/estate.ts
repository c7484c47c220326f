import { z } from 'zod';
import { NAME_RULE, PART_NAME_PATTERN, PART_NAME_RULE, SERVER_NAME_PATTERN } from '../names';
import type { ServerGroup } from '../backup-set';
import type { Estate, HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration, ServerDeclaration } from '../estate';
import { OFFSITE_MEDIA, offsiteLocation } from '../offsite';
import { absoluteDirectory, oneLine } from './common';
import { policySchema } from './policy';
import { protectionFields } from './protection';
import { relationSchema } from './relation';

/**
 * The estate file: what is protected, where it runs, where its recovery points go. One schema validates the file, the API's
 * request and makes the shipped JSON Schema. Not for workflows: zod would triple their bundle.
 */
const partName = z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE);
const serverName = z.string().regex(SERVER_NAME_PATTERN, NAME_RULE);

/** How many scheduled backups run there at the same time; what people ask for is not held back, but counted. */
const maxBackups = (atMost: string) =>
  z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .meta({ description: `How many backups may run at the same time ${atMost} before one of a schedule waits; 2 where absent.` });

const hypervisorDeclarationSchema = z.strictObject({
  name: partName,
  kind: z.literal('libvirt'),
  uri: z.enum(['qemu:///system', 'qemu:///session']).default('qemu:///system'),
  maxBackups: maxBackups('on it'),
}) satisfies z.ZodType<HypervisorDeclaration>;

const repositoryDeclarationSchema = z.strictObject({
  name: partName,
  kind: z.literal('directory'),
  path: absoluteDirectory,
  maxBackups: maxBackups('into it'),
}) satisfies z.ZodType<RepositoryDeclaration>;

const isLocation = (text: string): boolean => {
  try {
    offsiteLocation(text);
    return true;
  } catch {
    return false;
  }
};

const offsiteDeclarationSchema = z.strictObject({
  name: partName,
  location: oneLine(1000)
    .refine(isLocation, 'must be an absolute directory, sftp:…, s3:…, rest:http(s)://… or rclone:…, without credentials')
    .meta({ description: 'An absolute directory, or sftp:, s3:, rest:http(s):// or rclone: as restic writes them. Credentials never stand here.' }),
  media: z.enum(OFFSITE_MEDIA).default('fixed').meta({ description: 'removable: absent by design, such as a disk that is taken away.' }),
}) satisfies z.ZodType<OffsiteDeclaration>;

const serverDeclarationSchema = z.strictObject({
  name: serverName,
  hypervisor: partName,
  /** Name of the domain on the hypervisor; the server's own name where absent. */
  domain: oneLine(255).optional(),
  repository: partName,
  /** Null: nothing is backed up by itself. */
  policy: partName.nullable().default(null),
  /** How long the guest may take to shut down for an offline backup. */
  stopTimeoutSeconds: z.int().min(1).max(3600).default(120),
  /** How long the guest agent may take to answer after a start. */
  agentTimeoutSeconds: z.int().min(1).max(7200).default(300),
  ...protectionFields,
}) satisfies z.ZodType<ServerDeclaration>;

/** From two servers on there is anything to coordinate; the most that is frozen together. */
const GROUP_SIZE = { min: 2, max: 50 } as const;

const groupDeclarationSchema = z
  .strictObject({
    name: partName,
    servers: z
      .array(serverName)
      .min(GROUP_SIZE.min, `a group has ${GROUP_SIZE.min} to ${GROUP_SIZE.max} servers`)
      .max(GROUP_SIZE.max, `a group has ${GROUP_SIZE.min} to ${GROUP_SIZE.max} servers`)
      .refine((names) => new Set(names).size === names.length, 'the same server stands in it twice')
      .meta({ description: 'Names of servers that are declared in this file; a server may be in several groups.' }),
  })
  .meta({ description: 'Servers that are backed up as a set, frozen as close together as can be.' }) satisfies z.ZodType<ServerGroup>;

const unique = (names: readonly { readonly name: string }[]): boolean => new Set(names.map(({ name }) => name)).size === names.length;

export const estateSchema = z
  .strictObject({
    hypervisors: z.array(hypervisorDeclarationSchema).max(100).default([]),
    repositories: z.array(repositoryDeclarationSchema).max(100).default([]),
    offsite: z.array(offsiteDeclarationSchema).max(20).default([]),
    policies: z.array(policySchema).max(100).default([]),
    servers: z.array(serverDeclarationSchema).max(10_000).default([]),
    groups: z.array(groupDeclarationSchema).max(1000).default([]),
    relations: z.array(relationSchema).max(20_000).default([]),
  })
  .superRefine((estate, context) => {
    for (const key of ['hypervisors', 'repositories', 'offsite', 'policies', 'servers', 'groups', 'relations'] as const) {
      if (!unique(estate[key])) context.addIssue({ code: 'custom', path: [key], message: 'names must be unique' });
    }
    estate.policies.forEach(({ offsite }, index) => {
      if (offsite === null || estate.offsite.some(({ name }) => name === offsite.repository)) return;
      context.addIssue({
        code: 'custom',
        path: ['policies', index, 'offsite', 'repository'],
        message: `no off-site repository named "${offsite.repository}" is declared in this file`,
      });
    });
    estate.servers.forEach((server, index) => {
      if (!estate.hypervisors.some(({ name }) => name === server.hypervisor)) {
        context.addIssue({
          code: 'custom',
          path: ['servers', index, 'hypervisor'],
          message: `no hypervisor named "${server.hypervisor}" is declared in this file`,
        });
      }
      if (!estate.repositories.some(({ name }) => name === server.repository)) {
        context.addIssue({
          code: 'custom',
          path: ['servers', index, 'repository'],
          message: `no repository named "${server.repository}" is declared in this file`,
        });
      }
      if (server.policy !== null && !estate.policies.some(({ name }) => name === server.policy)) {
        context.addIssue({ code: 'custom', path: ['servers', index, 'policy'], message: `no policy named "${server.policy}" is declared in this file` });
      }
    });
    const declared = new Set(estate.servers.map(({ name }) => name));
    estate.groups.forEach((group, index) => {
      group.servers.forEach((server, position) => {
        if (declared.has(server)) return;
        context.addIssue({ code: 'custom', path: ['groups', index, 'servers', position], message: `no server named "${server}" is declared in this file` });
      });
    });
    const requireDeclared = (server: string, path: (string | number)[]): void => {
      if (declared.has(server)) return;
      context.addIssue({ code: 'custom', path, message: `no server named "${server}" is declared in this file` });
    };
    estate.relations.forEach(({ server, peers }, index) => {
      requireDeclared(server, ['relations', index, 'server']);
      peers.forEach((peer, position) => requireDeclared(peer.server, ['relations', index, 'peers', position, 'server']));
    });
  }) satisfies z.ZodType<Estate>;
