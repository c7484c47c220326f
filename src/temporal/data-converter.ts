import type { DataConverter } from '@temporalio/common';
import { EncryptionCodec } from './codec';
import type { PayloadKeys } from './payload-keys';

/** Also given to the bundler: workflows convert their own failures. */
export const FAILURE_CONVERTER_PATH = require.resolve('./failure-converter');

/** The same for clients, workers and replays; without the keys nobody can read a history. */
export const createDataConverter = (keys: PayloadKeys): DataConverter => ({
  failureConverterPath: FAILURE_CONVERTER_PATH,
  payloadCodecs: [new EncryptionCodec(keys)],
});
