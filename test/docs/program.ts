/** Turns a block of the documentation into a program that can be run as it stands. */
import { readFileSync } from 'node:fs';

/** Everything exported, and whether it is there when the program runs or for the type checker only. */
const exported = new Map(
  [
    ...readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8').matchAll(
      /^### (\w+)\n\n`+ ?(\w+)/gm,
    ),
  ].map(([, name = '', kind = '']) => [name, kind === 'interface' || kind === 'type'] as const),
);

/** What a page may take for granted, each with what makes it. */
const assumed: readonly (readonly [name: string, statement: string])[] = [
  ['runtime', 'await using runtime = new BoxliteRuntime();'],
  ['box', "await using box = await runtime.create({ rootfs: 'python:3.12-slim' });"],
  ['signal', 'const signal = AbortSignal.timeout(60_000);'],
];

/**
 * The block with what it leaves out, as every page of documentation does: the imports, a runtime, a box. What it
 * imports or makes itself stays as it is.
 */
export function wholeProgram(code: string): string {
  let program = code;
  for (const [name, statement] of assumed.toReversed()) {
    if (uses(program, name) && !makes(program, name)) program = `${statement}\n${program}`;
  }
  const imported = importedNames(program);
  const names = [...exported].filter(([name]) => uses(program, name) && !imported.includes(name));
  if (names.length === 0) return `${program}export {};\n`;
  const list = names.map(([name, isType]) => (isType ? `type ${name}` : name)).join(', ');
  return `import { ${list} } from 'boxlite';\n${program}`;
}

function uses(code: string, name: string): boolean {
  return new RegExp(`(?<![.\\w'])${name}\\b(?!['\\w]|:)`).test(code);
}

/** Declared, but not as what a property is taken out as: `{ signal: killedBy }`. */
function makes(code: string, name: string): boolean {
  return new RegExp(
    `\\b(const|let|using|function|class) (${name}\\b|\\{[^}]*\\b${name}\\b(?!:)[^}]*\\} =)`,
  ).test(code);
}

function importedNames(code: string): string[] {
  const lists = code.matchAll(/^import (?:type )?\{([^}]*)\} from 'boxlite'/gm);
  return [...lists].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim().replace(/^type /, '')),
  );
}
