import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../error-codes';
import { ERROR_MEANINGS } from '../error-meanings';
import type { ErrorSummary } from '../errors';
import { isOneLine } from '../text';

/** Building blocks of the API's schemas. One schema validates the request, makes the OpenAPI document and types the CLI. */

const CONTROL_CHARACTERS = 'must not contain control characters';

/** One line of text that somebody declares or types. `whenAbsent`: what to say of a field that is not there. */
export const oneLine = (maxLength: number, whenAbsent?: string) => lineOrNothing(maxLength, whenAbsent).min(1);

/** The same; it may be empty. */
export const lineOrNothing = (maxLength: number, whenAbsent?: string) =>
  z
    .string({ error: ({ input }) => (input === undefined ? whenAbsent : undefined) })
    .max(maxLength)
    .refine(isOneLine, CONTROL_CHARACTERS);

export const absoluteDirectory = oneLine(1024)
  .refine((value) => value.startsWith('/'), 'must be an absolute path')
  .refine((value) => !value.split('/').includes('..'), 'must not contain ".."');

/** ISO 8601 in UTC. */
export const timestamp = z.string().meta({ format: 'date-time' });

/** One line of text a person wrote. */
export const reason = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .refine(isOneLine, 'must be one line without control characters')
  .meta({ description: 'Why; it goes into the audit.' });

const meanings = Object.entries(ERROR_MEANINGS).map(([code, meaning]) => `- \`${code}\`: ${meaning}`);

export const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]).meta({
  id: 'ErrorCode',
  description: `What is so when an error has the code; what to do is in its \`hint\`.\n\n${meanings.join('\n')}`,
});

const errorContext = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]));

export const errorSummarySchema = z
  .object({ code: errorCode, message: z.string(), hint: z.string(), context: errorContext.optional() })
  .meta({ id: 'ErrorSummary' }) satisfies z.ZodType<ErrorSummary>;

/** RFC 9457 problem, media type `application/problem+json`. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'urn:modosu:problem:CODE' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: errorCode,
    hint: z.string().meta({ description: 'What to do next.' }),
    requestId: z.string().meta({ description: 'Stands in the log lines of this request.' }),
    runId: z.string().optional().meta({ description: 'The run that is in the way.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'Each wrong field of the request.' }),
    context: errorContext.optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';
export const problemType = (code: string): string => `urn:modosu:problem:${code}`;

export const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

/** Query strings arrive as text. */
export const pageQueryFields = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
  cursor: z.string().min(1).max(500).optional().meta({ description: 'nextCursor of the page before; opaque.' }),
};

export const pageOf = <T extends z.ZodType>(items: T) =>
  z.object({ items: z.array(items), nextCursor: z.string().nullable().meta({ description: 'null on the last page.' }) });

export interface PageOf<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** 1 to 255 printable ASCII characters. */
export const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** A server in a query: name or id; judged like the name in a path. */
export const serverQueryField = z.string().min(1).max(255).optional().meta({ description: 'Name or id of a server.' });
