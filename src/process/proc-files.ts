/** Files and folders that may go, or turn out not to be ours to read, while we look. */
import { readdirSync, readFileSync } from 'node:fs';

/** The text of a file; null if it cannot be read. */
export function textOf(path: string): string | null {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** The names in a folder; none if it cannot be read. */
export function entriesOf(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
