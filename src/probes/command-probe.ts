import type { ProbeSpec } from '../contracts/profile';
import { quoted } from '../contracts/text';
import { accountNamed, endedBadly, runProgram } from './guest-program';
import { probeFailed, type Asked } from './transport';

type CommandProbe = Extract<ProbeSpec, { kind: 'command' }>;

/** Standard output of the program; any exit code but 0 is `PROBE_FAILED`, and so is an account that the guest does not have. */
export async function askByCommand({ argv, user }: CommandProbe, asked: Asked): Promise<string> {
  const account = user === undefined ? null : await accountNamed(asked, user);
  if (user !== undefined && account === null) throw probeFailed(`The guest has no account ${quoted(user)}`);
  const result = await runProgram(asked, account, () => ({ argv }));
  if (result.exitCode !== 0) throw endedBadly(argv[0], result);
  return result.stdout;
}
