import { z } from 'zod';
import { NAME_RULE, PART_NAME_PATTERN, PART_NAME_RULE, SERVER_NAME_PATTERN } from '../names';
import { absoluteDirectory, oneLine } from './common';
import { policySchema } from './policy';
import { protectionFields } from './protection';

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
});

const repositoryDeclarationSchema = z.strictObject({
  name: partName,
  kind: z.literal('directory'),
  path: absoluteDirectory,
  maxBackups: maxBackups('into it'),
});

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
});

const unique = (names: readonly { readonly name: string }[]): boolean => new Set(names.map(({ name }) => name)).size === names.length;

export const estateSchema = z
  .strictObject({
    hypervisors: z.array(hypervisorDeclarationSchema).max(100).default([]),
    repositories: z.array(repositoryDeclarationSchema).max(100).default([]),
    policies: z.array(policySchema).max(100).default([]),
    servers: z.array(serverDeclarationSchema).max(10_000).default([]),
  })
  .superRefine((estate, context) => {
    for (const key of ['hypervisors', 'repositories', 'policies', 'servers'] as const) {
      if (!unique(estate[key])) context.addIssue({ code: 'custom', path: [key], message: 'names must be unique' });
    }
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
  });

export type Estate = z.output<typeof estateSchema>;
export type HypervisorDeclaration = z.output<typeof hypervisorDeclarationSchema>;
export type RepositoryDeclaration = z.output<typeof repositoryDeclarationSchema>;
export type ServerDeclaration = z.output<typeof serverDeclarationSchema>;

export interface EstateChange {
  readonly subject: 'hypervisor' | 'repository' | 'policy' | 'server';
  readonly name: string;
  /** `kept`: in the catalogue but not in the file; nothing is removed. `delete`: the same for a policy, when it was asked for. */
  readonly change: 'create' | 'update' | 'unchanged' | 'kept' | 'delete';
  /** One line per changed field, such as `repository: main -> second`. */
  readonly fields: readonly string[];
}
