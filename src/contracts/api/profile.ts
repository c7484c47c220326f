import { z } from 'zod';
import { MARKER_TYPES } from '../marker';
import { PARAMETER_NAME_PATTERN, PARAMETER_NAME_RULE, PART_NAME_PATTERN, PART_NAME_RULE } from '../names';
import {
  AGE_UNITS,
  MARKER_SUBJECTS,
  PROBE_FACTS,
  RULE_ORDERS,
  RULE_PHASES,
  RULE_SEVERITIES,
  type AgeLimit,
  type MarkerReference,
  type ProbeSpec,
  type Profile,
  type Rule,
  type RuleCondition,
} from '../profile';
import { oneLine } from './common';
import { findProfileFaults } from './profile-faults';
import { argv } from './protection';

/** The file of a profile. Its shape stands here; what its parts have to do with each other is looked at by `findProfileFaults`. */

/** A profile of thirty markers and fifty rules has a tenth of it. */
export const MAX_PROFILE_BYTES = 256 * 1024;

const name = z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE);
/** Texts for people and for programs; a long one is written over several lines with `>-`, which makes one line of them. */
const sentence = oneLine(2000);
const isUnique = (items: readonly unknown[]): boolean => new Set(items).size === items.length;
const uniqueNames = (items: readonly { readonly name: string }[]): boolean => isUnique(items.map((item) => item.name));
const NAMES_UNIQUE = 'names must be unique';

const parameterName = z.string().regex(PARAMETER_NAME_PATTERN, PARAMETER_NAME_RULE);

const parameterSchema = z.strictObject({
  name: parameterName,
  description: sentence,
  default: oneLine(500).nullable().default(null).meta({ description: 'null: a relation has to give it.' }),
});

const portText = z.string().regex(/^(?:[1-9]\d{0,4}|\$\{[^{}]+\})$/, 'must be the number of a port in quotes, or a parameter: "53", ${port}');
const account = oneLine(100).refine((text) => !text.startsWith('-'), 'must not begin with "-"');

const probeSchema = z
  .discriminatedUnion(
    'kind',
    [
      z.strictObject({
        kind: z.literal('command'),
        argv,
        user: account.optional(),
        prefix: oneLine(100).optional().meta({ description: 'Only the lines that begin with it, without it.' }),
      }),
      z.strictObject({
        kind: z.literal('sql'),
        engine: z.enum(['postgresql', 'mysql']),
        database: oneLine(100).regex(/^[^-=:/\\][^=:/\\]*$/, 'must be the plain name of a database: no leading "-", no "=", ":", "/" or "\\"'),
        user: account,
        port: portText.optional().meta({ description: 'Only of postgresql.' }),
        query: oneLine(4000).refine((text) => !text.trimStart().startsWith('\\'), "must be a query: psql's own commands are not run"),
      }),
      z.strictObject({
        kind: z.literal('dns'),
        name: oneLine(255),
        type: z.enum(['SOA', 'A', 'AAAA', 'NS', 'MX', 'TXT']),
        field: z.literal('serial').optional(),
        port: portText.optional(),
      }),
      z.strictObject({
        kind: z.literal('http'),
        url: oneLine(2000).regex(/^https?:\/\/[^@/?#\s]+(?:[/?#]\S*)?$/, 'must begin with http:// or https:// and a host, without credentials'),
        pointer: z
          .string()
          .max(500)
          .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'must be a JSON pointer, such as /result/index')
          .optional(),
      }),
      z.strictObject({ kind: z.literal('tcp'), port: portText }),
      z.strictObject({ kind: z.literal('fact'), fact: z.enum(PROBE_FACTS) }),
    ],
    'must be command, sql, dns, http, tcp or fact',
  )
  .meta({ description: 'How it is read. Texts may hold ${…}: parameters, server, peer, address.' }) satisfies z.ZodType<ProbeSpec>;

const markerSchema = z.strictObject({
  name,
  type: z.enum(MARKER_TYPES),
  of: z.enum(MARKER_SUBJECTS),
  probe: probeSchema,
  timeoutSeconds: z.int().min(1).max(60).default(10),
  isCaptured: z.boolean().default(false).meta({ description: 'Its value is stored with every image.' }),
});

const reference = z.strictObject({
  marker: name,
  of: z.enum(['server', 'peer']),
  at: z.enum(['recovery-point', 'now']),
}) satisfies z.ZodType<MarkerReference>;

const limit = z.union([
  z.number().min(0).max(1_000_000),
  z.strictObject({ parameter: parameterName }),
  z.strictObject({ marker: reference }),
]) satisfies z.ZodType<AgeLimit>;

const comparedText = { equals: oneLine(500).optional(), differs: oneLine(500).optional() };
const hasOne = ({ equals, differs }: { readonly equals?: string; readonly differs?: string }): boolean => (equals === undefined) !== (differs === undefined);
const HAS_ONE = 'must have equals or differs, one of them';
const since = { atLeast: limit, unit: z.enum(AGE_UNITS) };

const conditionSchema = z.union([
  z.strictObject({
    compare: reference,
    with: reference,
    is: z.array(z.enum(RULE_ORDERS)).min(1).refine(isUnique, 'must not hold one twice'),
    from: oneLine(500).optional(),
  }),
  z.strictObject({ position: reference, history: reference, line: reference, isOn: z.boolean() }),
  z.strictObject({ value: reference, ...comparedText }).refine(hasOne, HAS_ONE),
  z.strictObject({ text: oneLine(500), ...comparedText }).refine(hasOne, HAS_ONE),
  z.strictObject({ age: z.union([reference, z.literal('recovery-point')]), ...since }),
  z.strictObject({ skew: reference, ...since }),
]) satisfies z.ZodType<RuleCondition>;

const stepSchema = z.strictObject({
  title: oneLine(500),
  argv: argv.nullable().default(null).meta({ description: 'null: people do it, and sign it off.' }),
  on: z.enum(['server', 'peer']),
  when: z.enum(['quarantine', 'live']),
  reseeds: z.literal(true).optional().meta({
    description:
      'Of a step on the peer: it is made anew from the server, and nothing of its own is needed for that. A set whose recovery points do not agree is restored so.',
  }),
});

const ruleSchema = z.strictObject({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{2,49}$/, 'must be 3 to 50 capital letters, digits or "_", beginning with a letter, such as STANDBY_AHEAD'),
  phases: z.array(z.enum(RULE_PHASES)).min(1).refine(isUnique, 'must not hold one twice'),
  when: z
    .tuple([conditionSchema], conditionSchema, { error: 'must be a list of conditions, at least one' })
    .refine((conditions) => conditions.length <= 10, 'must not have more than 10 conditions')
    .meta({ description: 'All of them have to hold.' }),
  severity: z.enum(RULE_SEVERITIES),
  message: sentence,
  remedy: sentence.nullable().default(null),
  step: stepSchema.nullable().default(null).meta({ description: 'With the severity "step", and only with it.' }),
  together: z.literal(true).optional().meta({
    description: 'Of a rule that blocks a plan: it is settled best by restoring both servers, to recovery points that agree. Plans name such a set first.',
  }),
}) satisfies z.ZodType<Rule>;

export const profileSchema = z
  .strictObject({
    format: z.literal('modosu-profile'),
    version: z.literal(1),
    name: name.meta({ description: 'The name of the file, without .yaml.' }),
    title: oneLine(200),
    status: z.enum(['proven', 'experimental']),
    description: sentence,
    parameters: z.array(parameterSchema).max(30).refine(uniqueNames, NAMES_UNIQUE).default([]),
    markers: z.array(markerSchema).max(30).refine(uniqueNames, NAMES_UNIQUE).default([]),
    rules: z
      .array(ruleSchema)
      .min(1)
      .max(50)
      .refine((rules) => isUnique(rules.map(({ code }) => code)), 'codes must be unique'),
  })
  .superRefine((profile, context) => {
    for (const { path, message } of findProfileFaults(profile)) context.addIssue({ code: 'custom', path: [...path], message });
  }) satisfies z.ZodType<Profile>;
