import type { ErrorCode } from './error-codes';

/** The definition of a server as people are shown it: nothing in it is secret, and nothing steers a terminal. */

/** What stands in place of a value that is not shown. */
export const HIDDEN_VALUE = '[hidden]';

/** The hardware that a definition describes. Null: it does not say. */
export interface DefinitionSummary {
  readonly vcpus: number | null;
  readonly memoryBytes: number | null;
  readonly machine: string | null;
  readonly firmware: 'bios' | 'uefi';
  readonly generationId: string | null;
  /** Drives for removable media among them. `source`: null: empty, or not known. */
  readonly disks: readonly { readonly target: string; readonly device: string; readonly bus: string | null; readonly source: string | null }[];
  readonly nics: readonly { readonly mac: string | null; readonly type: string; readonly source: string | null }[];
}

/** A definition that was read. */
export interface DescribedDefinition {
  readonly summary: DefinitionSummary;
  /** All of it, always in the same form: each element on a line of its own, `HIDDEN_VALUE` where a value is not shown. */
  readonly lines: readonly string[];
  /** SHA-256 of the values that are not shown. Tells whether they differ, and is itself never shown: a short password could be guessed from it. */
  readonly hiddenSha256: string;
}

export interface NotReadDefinition {
  readonly state: 'not-read';
  readonly code: ErrorCode;
  readonly why: string;
}

/** The definition that lies in a generation. */
export type GenerationDefinition =
  | {
      readonly state: 'read';
      readonly summary: DefinitionSummary;
      /** Absent: nobody has asked for it. */
      readonly xml?: string;
    }
  | NotReadDefinition;

/** `same`: stands beside a difference, to tell where it is. */
export interface DefinitionLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
}

/** In what two definitions differ. */
export type DefinitionDiff =
  | {
      readonly state: 'compared';
      /** Lines that differ, with their surroundings; empty: none does. */
      readonly parts: readonly (readonly DefinitionLine[])[];
      readonly removed: number;
      readonly added: number;
      /** How many lines that differ are not in `parts`, because there are too many. */
      readonly more: number;
      /** Whether values differ that are not shown. */
      readonly hiddenDiffers: boolean;
    }
  | {
      readonly state: 'not-compared';
      /** The generation whose definition was not read, and why. */
      readonly notRead: readonly { readonly generation: number; readonly code: ErrorCode; readonly why: string }[];
    };
