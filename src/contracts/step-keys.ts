/**
/**
 * Names of steps, as plans, runs, metrics and the audit know them. What is done for each disk, data set, database, check, configuration change, account or rule has its name behind a colon. A new
 * step is declared here first: a runbook cannot carry out, and a plan cannot announce, one that nobody has named.
 */
export type StepKey = SingleStep | `${StepPerDisk | StepPerDataSet | 'health' | 'apply' | 'credential' | 'rule'}:${string}`;

type SingleStep =
  | 'examine'
  | 'check'
  | 'fence'
  | 'recheck'
  /** Of the server. */
  | 'stop'
  | 'swap'
  | 'start'
  | 'power'
  | 'agent'
  | 'sign-off'
  | 'go-live'
  /** Of its relations. */
  | 'markers'
  | 'peers-before'
  | 'peers-again'
  | 'sign-off-live'
  | 'peers'
  /** Of an image, or of data. */
  | 'credentials'
  /** Of an image. */
  | 'basis'
  | 'reserve'
  /** Of an image in a set. */
  | 'prepare'
  | 'meet'
  | 'begin'
  | 'definition'
  | 'facts'
  | 'publish'
  | 'catalogue'
  | 'nvram'
  /** Of data in a running server. */
  | 'safety'
  | 'fetch'
  | 'load'
  | 'place'
  | 'tidy'
  | 'return'
  /** The end. */
  | 'remove'
  | 'record'
  | 'release'
  | 'clean-up';

type StepPerDisk = 'copy' | 'merge' | 'checksum' | 'attach';

type StepPerDataSet = 'before' | 'dump' | 'save' | 'after' | 'verify' | 'publish' | 'data-fetch' | 'data-place';

/** A step that is to come, with a title for people. */
export interface NamedStep {
  readonly key: StepKey;
  readonly title: string;
}

export const step = (key: StepKey, title: string): NamedStep => ({ key, title });

/** Whether a plan has this step. */
export const hasStep = (steps: readonly { readonly key: string }[], key: StepKey): boolean => steps.some((step) => step.key === key);
