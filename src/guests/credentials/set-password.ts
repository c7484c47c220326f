import { randomBytes } from 'node:crypto';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { hasControlCharacters } from '../../contracts/text';
import { AGENT_TIMEOUT_MS } from '../guest-process';
import type { GuestAgent } from '../guest-agent';

/** What the guest's own libraries say of a password. `unable`: there is nobody to ask, or no such account. */
type Answer = 'accepted' | 'refused' | 'unable';

/** The helper of Linux-PAM that checks a password against the accounts of the guest: by the guest's own hash functions, whichever they are. */
const CHECKER = 'unix_chkpwd';
/** PAM_AUTH_ERR */
const WRONG_PASSWORD = 7;
/** PAM takes no more. */
const MAX_PASSWORD_BYTES = 512;

export interface PasswordOutcome {
  /** How it was proven, for people. */
  readonly evidence: string;
}

/**
 * Gives an account of the guest this password, and proves that it has it. An account that has it already is left alone. What the guest prints is not looked at:
 * it knows the password, and could repeat it. The password reaches it on standard inputs alone.
 *
 * Throws `SECRET_STORE_INVALID` for a password that a file of accounts cannot hold, `CREDENTIAL_NOT_SET` where the agent refuses, `CREDENTIAL_NOT_PROVEN` where
 * the guest does not accept it afterwards, or has nothing that could say so (then it may be set), and what an agent that cannot be asked throws.
 */
export async function setPassword(
  agent: GuestAgent,
  account: string,
  password: string,
  { beforeSetting }: { readonly beforeSetting: () => Promise<void> },
): Promise<PasswordOutcome> {
  requirePlain(password);
  const before = await check(agent, account, password);
  if (before === 'accepted' && (await refusesOthers(agent, account))) {
    return { evidence: `the guest accepted it already (${CHECKER}), and refuses another one` };
  }
  await beforeSetting();
  const refused = await agent.setPassword(account, password, { timeoutMs: AGENT_TIMEOUT_MS }).then(
    () => null,
    (error: unknown) => error,
  );
  const after = await check(agent, account, password);
  if (after === 'accepted') {
    if (await refusesOthers(agent, account)) return { evidence: `the guest accepts it (${CHECKER}), and refuses another one` };
    throw notProven(account, 'the guest accepts any password for it', 'Look at how this guest checks passwords: it lets everybody in.');
  }
  // After silence nobody knows whether it was set: the check has said that it was not.
  if (refused !== null) throw refused instanceof Error ? refused : new Error('the agent has refused it');
  if (after === 'refused') throw notProven(account, 'the guest does not accept it, although its agent has set it');
  throw notProven(account, `it was set, but the guest has nothing that says whether it is accepted (${CHECKER})`);
}

const notProven = (account: string, why: string, hint?: string): ModosuError =>
  new ModosuError('CREDENTIAL_NOT_PROVEN', `The password of "${account}" could not be proven: ${why}.`, { hint, context: { account } });

/** A file of accounts is lines with colons; a program that reads a password reads up to the end of a line. */
function requirePlain(password: string): void {
  const bytes = Buffer.byteLength(password);
  const problem = hasControlCharacters(password)
    ? 'has a line feed or another control character in it'
    : bytes > MAX_PASSWORD_BYTES
      ? `is longer than ${MAX_PASSWORD_BYTES} bytes`
      : null;
  if (problem === null) return;
  throw new ModosuError('SECRET_STORE_INVALID', `What stands in the secret store ${problem}: it can be no password of an account.`, {
    hint: 'Store the password alone, without a line feed at its end.',
  });
}

/** A checker that says yes to everything proves nothing. */
const refusesOthers = async (agent: GuestAgent, account: string): Promise<boolean> =>
  (await check(agent, account, randomBytes(18).toString('base64url'))) === 'refused';

async function check(agent: GuestAgent, account: string, password: string): Promise<Answer> {
  try {
    // It reads up to a zero byte.
    const { exitCode } = await agent.exec([CHECKER, account, 'nonull'], { timeoutMs: AGENT_TIMEOUT_MS, input: `${password}\0` });
    return exitCode === 0 ? 'accepted' : exitCode === WRONG_PASSWORD ? 'refused' : 'unable';
  } catch (error) {
    // No such program, or programs are forbidden: that the password can be set all the same is the agent's to say.
    if (isModosuError(error) && ['AGENT_COMMAND_FAILED', 'GUEST_COMMAND_FORBIDDEN', 'GUEST_PROGRAM_MISSING'].includes(error.code)) return 'unable';
    throw error;
  }
}
