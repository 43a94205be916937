// pure
import { printable } from '../portal/control.ts';

/** What an agent or a kernel says before it ends by itself. */
const LAST_WORDS = /(?:boxlite-agent: |Kernel panic - ).*/g;

/** As much of them as an error shows. */
const CHARACTERS_MAX = 300;

/** What a guest's console says of why it ended, safe to show; null if it says nothing. */
export function lastWords(consoleText: string): string | null {
  const said = consoleText.match(LAST_WORDS)?.at(-1);
  return said === undefined ? null : printable(said.trimEnd().slice(0, CHARACTERS_MAX));
}
