import { ModosuError } from '../../contracts/errors';

export interface FieldError {
  /** Such as `estate.servers[2].hypervisor`; empty for the request as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A request whose fields are wrong; the problem then names each of them. */
export class RequestInvalidError extends ModosuError {
  constructor(
    code: 'REQUEST_INVALID' | 'ESTATE_INVALID' | 'PROFILE_NOT_FOUND' | 'RELATION_INVALID',
    readonly errors: readonly FieldError[],
  ) {
    super(code, sentence(errors));
  }
}

const LISTED = 3;

function sentence(errors: readonly FieldError[]): string {
  const listed = errors.slice(0, LISTED).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const more = errors.length > LISTED ? `; and ${errors.length - LISTED} more` : '';
  return `The request is not valid: ${listed.join('; ')}${more}.`;
}
