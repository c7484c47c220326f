/** What this process has used of its processors so far, in milliseconds: unlike a clock on the wall it does not run on while others are given them. */
export function processorTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
