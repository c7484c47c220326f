import { formatDuration } from '../src/contracts/format';

const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** What the demo says. Plain lines; colour only on a terminal. */
export class Narrator {
  private readonly startedAt = performance.now();
  private chapter = 0;

  begin(title: string): void {
    this.chapter += 1;
    console.log(`\n${paint(1, `${this.chapter}. ${title}`)} ${paint(2, `(${formatDuration((performance.now() - this.startedAt) / 1000)} since the start)`)}`);
  }

  say(text: string): void {
    console.log(`   ${text}`);
  }

  /** A command as a person would type it. */
  typed(command: string): void {
    console.log(`\n   ${paint(36, `$ ${command}`)}`);
  }

  output(text: string): void {
    for (const line of text.replace(/\n+$/, '').split('\n')) console.log(`   ${line}`);
  }

  verdict(ok: boolean, text: string): void {
    console.log(`   ${ok ? paint(32, 'ok    ') : paint(31, 'FAILED')} ${text}`);
  }
}
