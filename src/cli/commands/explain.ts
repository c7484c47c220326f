import type { Command } from 'commander';
import type { ProfileSummary, ProfileView } from '../../contracts/api/profile-view';
import { ERROR_CODES, isErrorCode } from '../../contracts/error-codes';
import { ERROR_MEANINGS } from '../../contracts/error-meanings';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { FINDING_CODES, isFindingCode } from '../../contracts/finding-codes';
import type { CliContext } from '../context';
import { exitCodeOf } from '../exit-codes';
import { explainedText, type ExplainedCode, type ExplainedRule } from '../output/explained';
import type { Printer } from '../output/printer';
import { examples } from './options';

/** As a profile may call a rule. */
const RULE_CODE = /^[A-Z][A-Z0-9_]{2,49}$/;

/** What a code means, wherever it was met. Only rules of profiles are asked of the API: what Modosu says itself, and what is shipped with it, can be looked up when nothing else works. */
export function addExplainCommand(program: Command, context: CliContext): void {
  examples(
    program
      .command('explain')
      .description('say what a code of an error, a finding, a breach, an alert or a rule of a profile means, and what to do')
      .argument('<code>', 'such as SERVER_BUSY'),
    ['modosu explain SERVER_BUSY', 'modosu explain RPO_EXCEEDED', 'modosu explain STANDBY_AHEAD --output json'],
  ).action(async (given: string, _options: unknown, command: Command) => {
    const code = given.toUpperCase();
    const printer = context.printer(command);
    const explained = ownCode(code) ?? { code, rules: await rulesWith(context, printer, given, code) };
    printer.data(explained, () => explainedText(explained));
  });
}

/** Null: Modosu itself has no such code. */
function ownCode(code: string): ExplainedCode | null {
  const finding = isFindingCode(code) ? { finding: FINDING_CODES[code] } : {};
  if (isErrorCode(code)) return { code, meaning: ERROR_MEANINGS[code], ...ERROR_CODES[code], exitCode: exitCodeOf(code), ...finding };
  return isFindingCode(code) ? { code, ...finding } : null;
}

/**
 * Where the API cannot be asked, by the profiles that lie beside the program, and with a note of what was not looked at. Throws `USAGE` where there is none, and what keeps
 * the API from saying so.
 */
async function rulesWith(context: CliContext, printer: Printer, given: string, code: string): Promise<readonly ExplainedRule[]> {
  const unknown = (why: string): ModosuError =>
    new ModosuError('USAGE', `There is no code ${JSON.stringify(given)}${why}.`, {
      hint: 'Codes stand in capital letters after "error:", and in what plans, `modosu status` and alerts say.',
    });
  if (!RULE_CODE.test(code)) throw unknown('');
  let profiles: readonly KnownProfile[];
  try {
    profiles = await allProfiles(context, printer);
  } catch (thrown) {
    if (!isModosuError(thrown)) throw thrown;
    const { code: problem, message, hint, context: facts } = thrown;
    const shipped = ((await context.io.shippedProfiles?.()) ?? []).map((profile): KnownProfile => ({ origin: 'shipped', profile }));
    const rules = rulesIn(shipped, code);
    if (rules.length === 0) {
      throw new ModosuError(problem, `Modosu itself has no code ${code}, nor has a profile that is shipped with it; others could not be asked: ${message}`, {
        hint,
        context: facts,
      });
    }
    printer.note(`Only profiles that are shipped with this program were looked at. ${problem}: ${message}`);
    return rules;
  }
  const rules = rulesIn(profiles, code);
  if (rules.length === 0) throw unknown(`: neither Modosu itself nor a rule of its ${profiles.length} profiles has it`);
  return rules;
}

type KnownProfile = Pick<ProfileView, 'origin' | 'profile'>;

const rulesIn = (profiles: readonly KnownProfile[], code: string): readonly ExplainedRule[] =>
  profiles.flatMap(({ origin, profile }) =>
    profile.rules
      .filter((rule) => rule.code === code)
      .map(({ phases, severity, message, remedy, step }) => ({ profile: profile.name, origin, phases, severity, message, remedy, step })),
  );

async function allProfiles(context: CliContext, printer: Printer): Promise<readonly ProfileView[]> {
  const client = await context.client();
  const names = await context.list<ProfileSummary>(printer, '/v1/profiles', {}, Number.MAX_SAFE_INTEGER);
  const profiles: ProfileView[] = [];
  for (const { name } of names) profiles.push((await client.get<ProfileView>(`/v1/profiles/${encodeURIComponent(name)}`)).value);
  return profiles;
}
