import { runProgram } from '../guests/run-program';
import { SHELL } from './documentation';

/** The commands of the `sh` blocks below a heading of a page, as they stand there, a text for each block. Throws when there are none. */
export function shellBlocks(page: string, heading: string): readonly string[] {
  const blocks = SHELL.filter((block) => block.page === page && block.heading === heading).map(({ text }) => text);
  if (blocks.length === 0) throw new Error(`${page} has no commands below "${heading}"`);
  return blocks;
}

/** In their order: what is put in place is looked at by those after it. */
export type Replacement = readonly [placeholder: RegExp | string, meant: string];

/** What the page cannot know is put in its place. Throws for a placeholder that is left, and for one that the page does not have (any more). */
export function filledIn(text: string, replacements: readonly Replacement[]): string {
  const filled = replacements.reduce((so, [placeholder, meant]) => {
    const next = so.replaceAll(placeholder, () => meant);
    if (next === so) throw new Error(`there is no ${String(placeholder)} in:\n${text}`);
    return next;
  }, text);
  const left = /.*(?:…|<[a-z ']+>|\/path\/to\/|\/root\/|\/srv\/|\/mnt\/).*/.exec(filled.replace(/(^|\s)#.*$/gm, ''));
  if (left !== null) throw new Error(`nobody has said what is meant: ${left[0]}`);
  return filled;
}

export interface Typed {
  readonly stdout: string;
  /** Commands that ended with another code than 0, where nothing in the text has asked for it. */
  readonly failed: readonly string[];
}

/** Types them into one shell, which goes on whatever happens, as a person would. */
export async function type(commands: string): Promise<Typed> {
  const { stdout } = await runProgram('bash', ['-c', `exec 2>&1\ntrap 'echo "FAILED $BASH_COMMAND"' ERR\n${commands}`], { timeoutMs: 300_000 });
  return { stdout, failed: [...stdout.matchAll(/^FAILED (.*)$/gm)].map(([, command]) => command ?? '') };
}
