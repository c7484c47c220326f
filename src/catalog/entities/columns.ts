import type { EntitySchemaColumnOptions } from 'typeorm';

/** Column forms that all tables share. */

/** Texts are bounded before they are written (`storableText`); the type itself has no limit. */
export const text = (options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({ type: 'text', ...options });

/** Milliseconds, like JavaScript's dates: a cursor made from a value finds exactly that value again. */
export const instant = (options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({ type: 'timestamptz', precision: 3, ...options });

export const integer = (options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({ type: 'integer', ...options });

/** pg gives 64-bit integers as text; ours (bytes, sequence numbers) stay far below 2^53. */
export const bigint = (options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({
  type: 'bigint',
  transformer: {
    from: (value: string | null): number | null => (value === null ? null : Number(value)),
    to: (value: number | null): number | null => value,
  },
  ...options,
});

export const json = (options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({ type: 'jsonb', ...options });

export const primary = { primary: true } as const;
export const nullable = { nullable: true } as const;
