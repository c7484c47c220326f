import type { GuestArgv } from './data';

/**
 * Configuration changes: what people (or their tools) have done to a server on purpose, such as a service pack. Once a change is complete an image is taken,
 * and the generation says which changes it contains: what is missing after going back to it.
 */

/** `cancelled`: it was not carried out, or was taken back; no generation is expected to contain it. */
export const CHANGE_STATES = ['open', 'completed', 'cancelled'] as const;
export type ChangeState = (typeof CHANGE_STATES)[number];

/**
 * When the first image comes that contains a change. `by-itself`: as soon as the change is complete, the server is free and there is a place.
 * `with-schedule`: the policy images the server offline, which stops it: nothing does that because of a change, and the next image of the schedule has it.
 */
export const CHANGE_IMAGES = ['by-itself', 'with-schedule'] as const;
export type ChangeImage = (typeof CHANGE_IMAGES)[number];

/** How the change is made once more, after the server has gone back to a generation without it. */
export type ApplyAgain =
  /** For people. */
  | { readonly kind: 'text'; readonly text: string }
  /** A program in the guest; no shell, no secrets: everybody on host and guest can read it. */
  | { readonly kind: 'command'; readonly argv: GuestArgv; readonly timeoutSeconds: number };

export const APPLY_TIMEOUT_SECONDS = { min: 1, max: 3600, default: 300 } as const;

export interface ChangeView {
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly title: string;
  /** Where it was asked for and agreed on, in somebody else's system. */
  readonly ticket: string | null;
  /** Who makes it; who has registered it stands in `openedBy`. */
  readonly author: string;
  /** Null: nobody has said how. */
  readonly applyAgain: ApplyAgain | null;
  /** The name that a configuration-management tool has for it, unique for the server; null: none. */
  readonly externalId: string | null;
  readonly state: ChangeState;
  /** ISO 8601. */
  readonly openedAt: string;
  readonly openedBy: string;
  readonly completedAt: string | null;
  readonly completedBy: string | null;
  readonly cancelledAt: string | null;
  readonly cancelledBy: string | null;
  readonly cancelReason: string | null;
  /** The first generation that contains it; null: none does yet. */
  readonly generation: number | null;
  /** Its recovery point. */
  readonly recoveryPointId: string | null;
  /** Whether the server has it now: a restore takes it back to a time before, undoing that brings it back. `partly`: it was open when the image was taken. */
  readonly inServer: 'yes' | 'partly' | 'no';
  /**
   * Null: none is waited for. One contains it, it was cancelled, the server has gone back to a time before it or is decommissioned, or the run that was to
   * take the image has ended without: it is not repeated by itself.
   */
  readonly imageComes: ChangeImage | null;
}

/** A change as a generation records it: enough to know it by where nothing else is left. */
export interface RecordedChange {
  readonly id: string;
  readonly title: string;
  readonly ticket: string | null;
  /** ISO 8601; null: it was open when the image was taken. */
  readonly completedAt: string | null;
}

/** What a generation says of the changes of its server. */
export interface GenerationChanges {
  /** Complete when the image was taken. In the order of their completion, the newest last. */
  readonly contained: readonly RecordedChange[];
  /** Open when the image was taken: nobody knows how much of them is in it. In the order in which they were opened. */
  readonly partly: readonly RecordedChange[];
  /** How many older ones it contains that are not listed. */
  readonly more: number;
}

/** A change that the server has and loses by going back to a generation. */
export interface LostChange extends RecordedChange {
  /** `partly`: the generation was taken while it was being made. */
  readonly how: 'missing' | 'partly';
  readonly applyAgain: ApplyAgain | null;
}

/** Of each kind so many are listed in a manifest, the newest. */
export const RECORDED_CHANGES_LIMIT = 500;
