import { CREDENTIAL_VARIABLE_PREFIX } from '../contracts/credential';

/**
 * Variables of the environment that hold credentials of servers, or name files that do (`…_FILE`). What they are called depends on what people declare, so they
 * stand in no schema. They are secrets: for secret stores alone. No other variable can be reached through one.
 */
export const credentialVariables = (env: Readonly<Record<string, string | undefined>> = process.env): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (name.startsWith(CREDENTIAL_VARIABLE_PREFIX) && value !== undefined ? [[name, value]] : [])),
  );
