import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');

/** What people read, by path from the root. */
export const PAGES: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export const pageText = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

export interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

export const BLOCKS: readonly Block[] = PAGES.flatMap((page) =>
  [...pageText(page).matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gm)].map(([, language, text]) => ({ page, language: language ?? '', text: text ?? '' })),
);

/** Blocks to copy from: those that say `sh`, and those that say nothing. */
export const SHELL: readonly Block[] = BLOCKS.filter(({ language }) => ['', 'sh'].includes(language));

export interface DocumentedCommand {
  readonly page: string;
  readonly command: string;
  /** A line to copy; else a sentence names it, maybe without what it needs. */
  readonly isWhole: boolean;
}

/** Lines of code blocks that call the program, what comments of `sh` blocks call, and what stands in backticks within a sentence. */
export const COMMANDS: readonly DocumentedCommand[] = PAGES.flatMap((page) => {
  const blocks = SHELL.filter((block) => block.page === page);
  const lines = blocks.flatMap((block) => block.text.split('\n')).flatMap((line) => /^(?:bin\/)?(modosu .*)$/.exec(line)?.[1] ?? []);
  const comments = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => [...block.text.matchAll(/(?:^|\s)#[^\n]*[^`\w](modosu [^`\n]+)$/gm)].map(([, command]) => command ?? ''));
  const sentences = pageText(page).replace(/^ *```(\w*)\n[^]*?^ *```$/gm, (block, language) => (language === 'sh' ? block : ''));
  const inline = [...sentences.matchAll(/`(modosu [^`\n]+)`/g)].map(([, command]) => command ?? '');
  return [
    ...[...new Set([...lines, ...comments])].map((command) => ({ page, command, isWhole: true })),
    ...[...new Set(inline)].map((command) => ({ page, command, isWhole: false })),
  ];
});
