/** The code blocks of a Markdown page, and what the page says about how they are run. */

/** A fenced block. */
export interface CodeBlock {
  /** `ts`, `sh`, `console` and so on; empty if the fence names none. */
  readonly language: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** Why it cannot be run here, from a comment before it: `<!-- not run: REASON -->`. */
  readonly notRun: string | null;
  /** It goes on for ever and is ended once this was printed: `<!-- until: TEXT -->`. */
  readonly until: string | null;
}

const FENCE = /^```(\S*)$/;
const COMMENT = /^<!-- (not run|until): (.*) -->$/;

/** Reads the blocks in their order. Throws if one is never closed. */
export function codeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = page.split('\n');
  let said: Readonly<Record<string, string>> = {};
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const comment = COMMENT.exec(line);
    const fence = FENCE.exec(line);
    if (comment !== null) said = { ...said, [comment[1] ?? '']: comment[2] ?? '' };
    else if (fence !== null) {
      const end = lines.indexOf('```', at + 1);
      if (end < 0) throw new Error(`line ${at + 1}: this block is not closed`);
      blocks.push({
        language: fence[1] ?? '',
        line: at + 2,
        code: `${lines.slice(at + 1, end).join('\n')}\n`,
        notRun: said['not run'] ?? null,
        until: said['until'] ?? null,
      });
      at = end;
      said = {};
    } else if (line.trim() !== '') said = {};
  }
  return blocks;
}

/** What a program is to print, by its comments: `console.log(x); // 42`. */
export function expectedLines(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\);? \/\/ (.+)$/gm)].map(([, text = '']) => text);
}

/** A transcript's commands, each with what it prints. */
export function transcript(code: string): { command: string; output: string }[] {
  return code
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.split('\n');
      return { command, output: output.join('\n') };
    });
}
