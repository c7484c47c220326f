import type { ErrorKind, RetryAdvice } from '../../contracts/error-codes';
import type { FindingCodeEntry } from '../../contracts/finding-codes';
import type { LoadedProfile, Rule } from '../../contracts/profile';
import { fields } from './text';

/** What is known of a code. Of an error: the fields from `meaning` to `exitCode`. */
export interface ExplainedCode {
  readonly code: string;
  /** What is so when it comes. */
  readonly meaning?: string;
  readonly kind?: ErrorKind;
  readonly retry?: RetryAdvice;
  readonly hint?: string;
  readonly exitCode?: number;
  /** As which plans, judgements, statuses and alerts say it. Absent: none of them does by itself. */
  readonly finding?: FindingCodeEntry;
  /** Absent: Modosu itself has the code, and no profile was asked. */
  readonly rules?: readonly ExplainedRule[];
}

/** What a rule says, in the words of its profile: `${…}` stands for what a plan fills in. */
export interface ExplainedRule extends Pick<Rule, 'phases' | 'severity' | 'message' | 'remedy' | 'step'> {
  readonly profile: string;
  readonly origin: LoadedProfile['origin'];
}

type Row = readonly [string, string];

/** For people. A code that is of an error and of a finding is explained as both. */
export function explainedText(explained: ExplainedCode): string {
  const { code, finding, rules = [] } = explained;
  const ofError = errorRows(explained);
  const ofFinding: readonly Row[] =
    finding === undefined
      ? []
      : [
          [ofError.length === 0 ? 'meaning' : 'as a finding', finding.meaning],
          ['what to do', finding.whatToDo],
        ];
  return [fields([['code', code], ...ofError, ...ofFinding]), ...rules.map((rule) => fields(ruleRows(rule)))].join('\n\n');
}

function errorRows({ meaning, kind, retry, hint, exitCode }: ExplainedCode): readonly Row[] {
  if (kind === undefined) return [];
  return [
    ['meaning', meaning ?? ''],
    ['kind', kind],
    ['trying again', retry === 'later' ? 'may help later' : 'changes nothing'],
    ['what to do', hint ?? ''],
    ['exit code', String(exitCode)],
  ];
}

const ruleRows = ({ profile, origin, phases, severity, message, remedy, step }: ExplainedRule): readonly Row[] => [
  ['rule of', `profile ${profile}, ${origin === 'shipped' ? 'shipped with Modosu' : 'your own'}: \`modosu profile show ${profile}\``],
  ['when', phases.join(', ')],
  ['severity', severity],
  ['what it says', message],
  ...(remedy === null ? [] : [['what to do', remedy] as const]),
  ...(step === null
    ? []
    : [['step', `${step.title} (${step.when}, ${step.argv === null ? 'by people' : `by a program in the guest of the ${step.on}`})`] as const]),
];
