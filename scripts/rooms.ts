/**
 * Checks what docs/ARCHITECTURE.md says of the rooms: who imports whom, and what has its one place.
 *
 *     node scripts/rooms.ts
 *
 * It reads text, not syntax trees: the formatter, which is checked first, leaves one way to write an
 * import. What it does not see is no loophole worth closing; it guards against slips.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The rooms in their order, and which ones each may import: only rooms above it, so no cycles. */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  spec: ['base'],
  portal: ['base', 'spec'],
  process: ['base', 'spec'],
  engine: ['base', 'spec'],
  jail: ['base', 'spec'],
  image: ['base', 'spec'],
  disk: ['base', 'spec'],
  network: ['base', 'spec'],
  volume: ['base', 'spec'],
  store: ['base', 'spec'],
  box: ['base', 'spec', 'portal'],
  runtime: [
    ...['base', 'spec', 'portal', 'process', 'engine', 'jail'],
    ...['image', 'disk', 'network', 'volume', 'store', 'box'],
  ],
  // What a user may hold comes from where it is made.
  'index.ts': [
    ...['base', 'spec', 'portal', 'process', 'engine', 'jail'],
    ...['image', 'disk', 'network', 'volume', 'store', 'box', 'runtime'],
  ],
  // A terminal's output can be set raw by a program only.
  cli: ['base', 'spec', 'process', 'index.ts'],
};

/** Node's modules that one room alone imports. `null`: nobody does, the global is what we look for. */
const moduleHomes: Readonly<Record<string, string | null>> = {
  'node:child_process': 'src/process/',
  'node:sqlite': 'src/store/',
  'node:process': null,
};

/** What else has its one place, as it is written in code. */
const wordHomes: readonly { word: RegExp; home: string | null }[] = [
  { word: /\bprocess\.env\b/, home: 'src/base/env.ts' },
  { word: /\bprocess\.exit\(/, home: 'src/cli/' },
  { word: /^export default\b/, home: null },
];

/** Files and rooms that are pure without a `// pure` on their first line. */
const listedPure = [
  ...['src/base/durations.ts', 'src/base/errors.ts', 'src/base/sizes.ts'],
  'src/image/digest.ts',
  'src/spec/',
];
/** What a pure file may have of Node: functions of their arguments alone. */
const pureOfNode: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['createHash', 'type Hash'],
  'node:path': ['posix'],
};
/** What a pure file does not use: clocks, chance, timers, the world. */
const impure =
  /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|set(Timeout|Interval|Immediate)|process\.|console\.|fetch\()/;

/** Words of unfinished work, nowhere allowed. Spelled so that this line is not one of them. */
const unfinished = /\b(TO{1}DO|FIX{1}ME)\b/;

/** The one thing the public door does besides exporting: it turns an old Node away. */
const DOOR_GUARD = "import './base/node-version.ts';";

/** A file of the project, its path from the top. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly target: string;
  /** What stands between `import` and `from`, such as `{ a, type B }`. */
  readonly names: string;
  readonly typeOnly: boolean;
}

/** What is wrong, one line each; nothing if all is well. */
export function checkRooms(files: readonly SourceFile[]): string[] {
  const pure = new Set(files.filter(isPure).map((file) => file.path));
  return files.flatMap((file) => {
    const found = checkUnfinished(file);
    if (!/^src\/.*\.ts$/.test(file.path)) return found;
    const code = withoutComments(file.text);
    const imports = importsOf(code);
    found.push(...checkWords(file.path, code));
    for (const { target } of imports) found.push(...checkImport(file.path, target));
    if (pure.has(file.path)) found.push(...checkPure(file.path, code, imports, pure));
    if (file.path === 'src/index.ts') found.push(...checkDoor(code));
    return found;
  });
}

function checkUnfinished({ path, text }: SourceFile): string[] {
  return linesWith(text, unfinished).map((line) => `${path}:${line}: unfinished work`);
}

function checkWords(path: string, code: string): string[] {
  const misplaced = wordHomes.filter(({ home }) => home === null || !path.startsWith(home));
  return misplaced.flatMap(({ word, home }) =>
    linesWith(code, word).map((line) => `${path}:${line}: ${word.source} ${belongs(home)}`),
  );
}

function checkImport(path: string, target: string): string[] {
  if (target.startsWith('node:')) {
    const home = moduleHomes[target];
    if (home === undefined || (home !== null && path.startsWith(home))) return [];
    return [`${path}: ${target} ${belongs(home)}`];
  }
  if (!target.startsWith('.')) return [`${path}: imports the package "${target}"`];
  const from = roomOf(path);
  const to = roomOf(resolve(path, target));
  if (from === to || rooms[from]?.includes(to)) return [];
  return [`${path}: ${from} may not import ${to} ("${target}")`];
}

function checkPure(
  path: string,
  code: string,
  imports: readonly Import[],
  pure: ReadonlySet<string>,
): string[] {
  const used = linesWith(code, impure).map((line) => `${path}:${line}: not pure`);
  // Types are gone before the program runs.
  const impureImports = imports.filter(
    ({ target, names, typeOnly }) =>
      !typeOnly && !pure.has(resolve(path, target)) && !isPureOfNode(target, names),
  );
  return [
    ...used,
    ...impureImports.map(({ target }) => `${path}: is pure and imports "${target}", which is not`),
  ];
}

function isPureOfNode(target: string, names: string): boolean {
  const wanted = names.replaceAll(/[{}]/g, '').split(',');
  return wanted.every((name) => pureOfNode[target]?.includes(name.trim()));
}

function checkDoor(code: string): string[] {
  const rest = code.replaceAll(/^export [^;]*? from '[^']+';$/gm, '').replace(DOOR_GUARD, '');
  return rest.trim() === '' ? [] : ['src/index.ts: does more than export what others made'];
}

function isPure({ path, text }: SourceFile): boolean {
  return text.startsWith('// pure\n') || listedPure.some((listed) => path.startsWith(listed));
}

/** `portal` for src/portal/frame.ts, `index.ts` for src/index.ts. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? path;
}

function resolve(path: string, target: string): string {
  return target.startsWith('.') ? normalize(join(dirname(path), target)) : target;
}

function belongs(home: string | null): string {
  return home === null ? 'is not used here' : `belongs in ${home}`;
}

/** The numbers of the lines where `pattern` is found. */
function linesWith(text: string, pattern: RegExp): number[] {
  return text.split('\n').flatMap((line, i) => (pattern.test(line) ? [i + 1] : []));
}

/** The same text with its comments blank, line by line. Strings stay as they are. */
function withoutComments(text: string): string {
  const tokens =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replaceAll(tokens, (token) =>
    token.startsWith('/') ? token.replaceAll(/[^\n]/g, ' ') : token,
  );
}

function importsOf(code: string): Import[] {
  const statements = /^(?:import|export) (type )?(?:([^'";]*?) from )?'([^']+)';/gm;
  const calls = /\bimport\(\s*'([^']+)'/g;
  return [
    ...[...code.matchAll(statements)].map(([, type, names = '', target = '']) => ({
      target,
      names,
      typeOnly: type !== undefined,
    })),
    ...[...code.matchAll(calls)].map(([, target = '']) => ({
      target,
      names: '',
      typeOnly: false,
    })),
  ];
}

/** All files of ours that can be read as text, built ones left out. */
export function readSources(): SourceFile[] {
  const top = new URL('../', import.meta.url).pathname;
  const folders = ['src', 'scripts', 'test', 'bench', 'guest', 'kernel'];
  const there = folders.filter((folder) => existsSync(join(top, folder)));
  return there.flatMap((folder) =>
    readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name}`)
      .filter((path) => /\.(ts|c|h|sh)$|Makefile$/.test(path) && !path.startsWith('guest/build/'))
      .map((path) => ({ path, text: readFileSync(join(top, path), 'utf8') })),
  );
}

if (import.meta.main) {
  const wrong = checkRooms(readSources());
  for (const line of wrong) console.error(line);
  if (wrong.length > 0) process.exitCode = 1;
}
