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
  /** The `## ` above it; empty before the first. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

export const BLOCKS: readonly Block[] = PAGES.flatMap((page) =>
  [...pageText(page).matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gm)].map(({ 1: language = '', 2: text = '', index }) => {
    const [heading = ''] = [
      ...pageText(page)
        .slice(0, index)
        .matchAll(/^## (.*)$/gm),
    ]
      .map(([, name = '']) => name)
      .toReversed();
    return { page, heading, language, text };
  }),
);

/** Blocks to copy from. */
export const SHELL: readonly Block[] = BLOCKS.filter(({ language }) => language === 'sh');

export interface DocumentedCommand {
  readonly page: string;
  readonly command: string;
  /** A line to copy; else a sentence names it, maybe without what it needs. */
  readonly isWhole: boolean;
}

/** Lines of `sh` blocks that call the program, what their comments call, what stands in backticks within a sentence or a comment, and what the demo has shown. */
export const COMMANDS: readonly DocumentedCommand[] = PAGES.flatMap((page) => {
  const shell = SHELL.filter((block) => block.page === page).map(({ text }) => text);
  const lines = shell.flatMap((text) => text.split('\n')).flatMap((line) => /^(?:bin\/)?(modosu .*)$/.exec(line)?.[1] ?? []);
  const comments = shell.flatMap((text) => [...text.matchAll(/(?:^|\s)#[^\n]*[^`\w](modosu [^`\n]+)$/gm)].map(([, command]) => command ?? ''));
  const shown = [...pageText(page).matchAll(/^ +\$ (modosu .*)$/gm)].map(([, command]) => command ?? '');
  const sentences = pageText(page).replace(/^ *```(\w*)\n[^]*?^ *```$/gm, (block, language) => (language === 'sh' ? block : ''));
  const inline = [...sentences.matchAll(/`(modosu [^`\n]+)`/g)].map(([, command]) => command ?? '');
  return [
    ...[...new Set([...lines, ...comments, ...shown])].map((command) => ({ page, command, isWhole: true })),
    ...[...new Set(inline)].map((command) => ({ page, command, isWhole: false })),
  ];
});
