import { StandardSchemaValidationPipe } from '@nestjs/common';
import { RequestInvalidError, type FieldError } from './request-invalid.error';

/** Structure of a Standard Schema issue. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

const MAX_ERRORS = 100;

/** Bodies and queries are held against the zod schema of their parameter; what comes out is the parsed value. */
export const validationPipe = (): StandardSchemaValidationPipe =>
  new StandardSchemaValidationPipe({
    exceptionFactory: (issues: readonly Issue[]) => {
      const errors = issues.slice(0, MAX_ERRORS).map(fieldError);
      const aboutEstate = errors.every(({ path }) => path.startsWith('estate.') || path.startsWith('estate['));
      return new RequestInvalidError(aboutEstate ? 'ESTATE_INVALID' : 'REQUEST_INVALID', errors);
    },
  });

function fieldError(issue: Issue): FieldError {
  let path = '';
  for (const segment of issue.path ?? []) {
    const key = typeof segment === 'object' ? segment.key : segment;
    path += typeof key === 'number' ? `[${key}]` : `${path === '' ? '' : '.'}${String(key)}`;
  }
  return { path, message: issue.message };
}
