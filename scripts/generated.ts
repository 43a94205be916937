import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Writes a generated file, or with `--check` on the command line says whether it is stale. */
export function keepGenerated(path: string, wanted: string): void {
  const target = new URL(`../${path}`, import.meta.url);
  if (!process.argv.includes('--check')) return writeFileSync(target, wanted);
  if (readFileSync(target, 'utf8') === wanted) return;
  console.error(`${path} is stale: run node scripts/${basename(process.argv[1] ?? '')}`);
  process.exitCode = 1;
}
