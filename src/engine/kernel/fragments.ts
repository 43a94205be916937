// pure
/** Kernel configuration fragments: reading them, joining them, and checking what became of them. */

/** Symbols without `CONFIG_`, and their values as a `.config` spells them; `n` for not set. */
export type KernelConfig = ReadonlyMap<string, string>;

/** Reads `CONFIG_X=value` and `# CONFIG_X is not set`; everything else is a comment. */
export function parseConfig(text: string): KernelConfig {
  const config = new Map<string, string>();
  for (const line of text.split('\n')) {
    const set = /^CONFIG_(\w+)=(.*)$/.exec(line.trim());
    const unset = /^# CONFIG_(\w+) is not set$/.exec(line.trim());
    if (set?.[1] !== undefined) config.set(set[1], set[2] ?? '');
    if (unset?.[1] !== undefined) config.set(unset[1], 'n');
  }
  return config;
}

/** Joins fragments; what a later one says of a symbol counts. */
export function mergeFragments(fragments: readonly string[]): KernelConfig {
  return new Map(fragments.flatMap((text) => [...parseConfig(text)]));
}

/** What `make allnoconfig` reads from `KCONFIG_ALLCONFIG`. */
export function formatConfig(config: KernelConfig): string {
  return Array.from(config, ([symbol, value]) =>
    value === 'n' ? `# CONFIG_${symbol} is not set\n` : `CONFIG_${symbol}=${value}\n`,
  ).join('');
}

/** The wanted lines that the final `.config` does not have: renamed, gone, or short of a dependency. */
export function notTaken(wanted: KernelConfig, final: KernelConfig): readonly string[] {
  return Array.from(wanted)
    .filter(([symbol, value]) => (final.get(symbol) ?? 'n') !== value)
    .map(([symbol, value]) => `CONFIG_${symbol}=${value}`);
}
