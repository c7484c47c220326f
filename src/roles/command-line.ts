import { ROLE_GROUPS } from '../cli/role-commands';

/** The program's one option that holds for every command, so also in front of it. */
const OUTPUT = /^(?:-o|--output)$/;
const OUTPUT_WITH_FORM = /^(?:-o.|--output=)/;

/**
 * Which command it is, wherever the global option stands: a role that reads its own words gets it behind them. What begins with another option is none.
 */
export function commandLine(argv: readonly string[]): { readonly command: string | undefined; readonly rest: readonly string[] } {
  const words = [...argv];
  const globals: string[] = [];
  const skipGlobals = (): void => {
    for (let [word] = words; word !== undefined; [word] = words) {
      if (OUTPUT.test(word)) globals.push(...words.splice(0, 2));
      else if (OUTPUT_WITH_FORM.test(word)) globals.push(...words.splice(0, 1));
      else return;
    }
  };
  skipGlobals();
  const command = words.shift();
  if (command === undefined || !Object.hasOwn(ROLE_GROUPS, command)) return { command, rest: [...globals, ...words] };
  skipGlobals();
  return { command, rest: [...words.splice(0, 1), ...globals, ...words] };
}
