import { summarise } from './errors';

/** What cannot be removed from a guest now costs room there, nothing else: said in the step's detail, not failed for. A guest that is off must not keep the server from being restored. */
export async function leftBehind(work: Promise<void>): Promise<Readonly<Record<string, string>>> {
  try {
    await work;
    return {};
  } catch (thrown) {
    return { leftBehind: summarise(thrown).message };
  }
}
