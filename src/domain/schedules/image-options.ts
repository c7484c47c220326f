import { DEFAULT_MAX_INCREMENTS, type ImagePolicy, type Policy } from '../../contracts/policy';

/** How an image is taken. */
export type ImageOptions = Pick<ImagePolicy, 'mode' | 'allowCrashConsistent' | 'maxIncrements'>;

/** As the estate's schema has it where nothing is said. */
const WHERE_NOTHING_IS_SAID: ImageOptions = { mode: 'online', allowCrashConsistent: false, maxIncrements: DEFAULT_MAX_INCREMENTS };

/**
 * The word of a server's policy about its images; null: it has none. Mode and consistency are for images that nobody asks for: whoever asks for one says
 * themselves. How many incrementals may follow a full is the policy's word whoever asks.
 */
export function imageOptions(policy: Pick<Policy, 'image'> | null): ImageOptions {
  const { mode, allowCrashConsistent, maxIncrements } = policy?.image ?? WHERE_NOTHING_IS_SAID;
  return { mode, allowCrashConsistent, maxIncrements };
}
