/** What `apply` removes with `prune`, and in which words that is said: by the CLI, the API and its documents. */

/** Everything else that a file no longer declares is kept. */
export const PRUNED_SUBJECTS: readonly string[] = ['policy', 'group', 'relation'];

export const PRUNES = 'policies, groups and relations that the file does not declare any more; nothing else is ever deleted';
