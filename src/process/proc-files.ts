/** Files and folders that may go, or turn out not to be ours to read, while we look. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The text of a file; null if it cannot be read. */
export function textOf(path: string): string | null {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** What a link says; null if it cannot be read. */
export function linkOf(path: string): string | null {
  return attempt(() => readlinkSync(path));
}

/** The names in a folder; none if it cannot be read. */
export function entriesOf(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

/** The processes that there are, by /proc. */
export function processIds(): number[] {
  return entriesOf('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
