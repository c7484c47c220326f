export const isFull = process.env['MODOSU_TEST_FULL'] === '1';

/** A test that takes a minute or more and looks at a corner: `npm run test:full` has it, `npm test` does without. */
export const inFull: jest.It = isFull ? it : (((): void => undefined) as unknown as jest.It);

/** The same of a group. */
export const describeInFull: jest.Describe = isFull ? describe : (((): void => undefined) as unknown as jest.Describe);
