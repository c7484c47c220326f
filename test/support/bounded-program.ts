import { boundedOutput } from '../../src/guests/bounded-output';

const SCRIPTS = (['end', 'drop'] as const).map((whenTooMuch) => boundedOutput(['any'], 1, whenTooMuch)[2]);

/** The program that `boundedOutput` runs, without what it runs it by; any other as it is. For fakes of agents that look at what they are asked for. */
export function boundedProgram(argv: readonly string[]): readonly string[] {
  const [separator, words] = argv.slice(5);
  if (!SCRIPTS.includes(argv[2]) || separator === undefined || words === undefined) return argv;
  return fromOctal(words).split(fromOctal(separator)).slice(0, -1);
}

const fromOctal = (text: string): string =>
  Buffer.from([...text.matchAll(/\\0([0-7]{3})/g)].map(([, digits]) => Number.parseInt(digits ?? '', 8))).toString('utf8');
