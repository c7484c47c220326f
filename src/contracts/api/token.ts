import { z } from 'zod';
import { isOneLine } from '../text';
import { timestamp } from './common';

export const TOKEN_SCOPES = ['read', 'change', 'operate', 'admin'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** The name becomes the actor in the audit: one line that people can read. */
export const isTokenName = (name: string): boolean => /^.{1,64}$/u.test(name) && isOneLine(name) && name.trim() === name;

const tokenScope = z.enum(TOKEN_SCOPES).meta({
  description:
    '`read`; `change` also registers configuration changes, and nothing else; `operate` also starts and decides about runs; `admin` also applies the estate and manages tokens.',
});

/** A token without its secret, which nobody has but its owner. */
export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

export const tokenSchema = z
  .object({
    id: z.string(),
    name: z.string().meta({ description: 'Stands in the audit for whoever uses it.' }),
    scopes: z.array(tokenScope),
    createdAt: timestamp,
    expiresAt: timestamp.nullable().meta({ description: 'From then on it opens nothing; null: never.' }),
  })
  .meta({ id: 'Token' }) satisfies z.ZodType<TokenView>;

export const createTokenRequestSchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(64)
      .refine(isTokenName, 'must have no space at its ends and no control characters')
      .meta({ description: 'Who or what will use it.' }),
    scopes: z.array(tokenScope).min(1).max(TOKEN_SCOPES.length),
    expiresAt: z.iso.datetime().nullable().meta({ description: 'When it ends; null: never.' }),
  })
  .meta({ id: 'CreateTokenRequest' });
export type CreateTokenRequest = z.output<typeof createTokenRequestSchema>;

export interface CreatedToken {
  readonly token: TokenView;
  readonly secret: string;
}

export const createdTokenSchema = z
  .object({ token: tokenSchema, secret: z.string().meta({ description: 'Told this once; only its hash is stored.' }) })
  .meta({ id: 'CreatedToken' }) satisfies z.ZodType<CreatedToken>;
