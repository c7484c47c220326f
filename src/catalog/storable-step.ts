import { storableObject, storableText } from '../audit/storable';
import type { StepRecord } from '../contracts/activities/catalogue';
import { storableError } from './storable-error';

/** What a run says of a step, in bounded form: evidence and errors may carry output of a guest or a tool. */
export const storableStep = ({ key, title, detail, error, ...step }: StepRecord): StepRecord => ({
  ...step,
  key: storableText(key, 256),
  title: storableText(title, 512),
  ...(detail === undefined ? {} : { detail: storableObject(detail) as NonNullable<StepRecord['detail']> }),
  ...(error === undefined ? {} : { error: error === null ? null : storableError(error) }),
});
