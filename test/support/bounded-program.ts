/** The program that `boundedOutput` runs, without what it runs it by; any other as it is. For fakes of agents that look at what they are asked for. */
export const boundedProgram = (argv: readonly string[]): readonly string[] => (argv[0] === 'sh' && argv[1] === '-c' && argv[3] === 'sh' ? argv.slice(5) : argv);
