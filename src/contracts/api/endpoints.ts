import { z } from 'zod';

/**
 * `run/endpoints.json` in the state directory: where the running stack can be reached. Written by `modosu up`, read by the CLI. Holds the path of a
 * token file (mode 0600), never a token.
 */
export const endpointsSchema = z.looseObject({
  /** Such as `http://127.0.0.1:7400`. */
  apiUrl: z.url({ protocol: /^https?$/ }),
  /** File with the first administrator's token. */
  tokenFile: z.string().min(1).optional(),
  supervisorPid: z.int().positive().optional(),
});
export type Endpoints = z.output<typeof endpointsSchema>;

export const ENDPOINTS_FILE = 'run/endpoints.json';
export const DEFAULT_STATE_DIRECTORY = '/var/lib/modosu';
export const DEFAULT_API_URL = 'http://127.0.0.1:7400';
