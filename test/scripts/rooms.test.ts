import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkRooms, readSources, rooms } from '../../scripts/rooms.ts';

function complaints(path: string, ...lines: string[]): string[] {
  const errors = { path: 'src/base/errors.ts', text: 'export class BoxliteError {}\n' };
  const impure = { path: 'src/box/clock.ts', text: 'export const now = () => Date.now();\n' };
  return checkRooms([errors, impure, { path, text: `${lines.join('\n')}\n` }]);
}

function refused(path: string, ...lines: string[]): void {
  assert.notDeepEqual(complaints(path, ...lines), [], `${path}: ${lines.join(' / ')}`);
}

function allowed(path: string, ...lines: string[]): void {
  assert.deepEqual(complaints(path, ...lines), [], `${path}: ${lines.join(' / ')}`);
}

describe('rooms', () => {
  it('import only rooms above them, so that there is no cycle', () => {
    const names = Object.keys(rooms);
    for (const [at, name] of names.entries()) {
      for (const other of rooms[name] ?? []) {
        assert.ok(names.indexOf(other) >= 0 && names.indexOf(other) < at, `${name} -> ${other}`);
      }
    }
  });
});

describe('checkRooms()', () => {
  it('sees the whole project', () => {
    const files = readSources();
    for (const room of ['base', 'spec', 'portal', 'engine', 'image', 'box', 'runtime', 'cli']) {
      assert.ok(
        files.some(({ path }) => path.startsWith(`src/${room}/`)),
        room,
      );
    }
    assert.ok(files.some(({ path }) => path === 'guest/main.c'));
  });

  it('refuses an import of a room below or beside, in whatever form', () => {
    refused('src/base/x.ts', "import { a } from '../spec/a.ts';");
    refused('src/portal/x.ts', "import { a } from '../box/a.ts';");
    refused('src/engine/qemu/x.ts', "import { a } from '../../jail/a.ts';");
    refused('src/image/x.ts', "import type { A } from '../store/a.ts';");
    refused('src/image/x.ts', 'import {', '  a,', '  b,', "} from '../disk/a.ts';");
    refused('src/image/x.ts', "import '../disk/a.ts';");
    refused('src/image/x.ts', "export * from '../disk/a.ts';");
    refused('src/image/x.ts', "export { a } from '../disk/a.ts';");
    refused('src/image/x.ts', "const a = await import('../disk/a.ts');");
    refused('src/box/x.ts', "import { a } from '../index.ts';");
    refused('src/cli/x.ts', "import { a } from '../runtime/boot.ts';");
    refused('src/attic/x.ts', "import { a } from '../base/errors.ts';");
  });

  it('allows the rooms above, the own room and what only reads like an import', () => {
    allowed('src/box/x.ts', "import { a } from '../portal/a.ts';", "import { b } from './b.ts';");
    allowed('src/runtime/x.ts', "import { a } from '../engine/qemu/a.ts';");
    allowed('src/cli/commands/x.ts', "import { a } from '../../index.ts';");
    allowed('src/image/erofs/x.ts', "import { a } from '../tree.ts';");
    allowed('src/base/x.ts', '/**', " * import { a } from '../spec/a.ts';", ' */');
    allowed('src/base/x.ts', "// import('../spec/a.ts')", "export const from = '../spec/a.ts';");
  });

  it('refuses packages, and modules of Node outside of their room', () => {
    refused('src/box/x.ts', "import { a } from 'left-pad';");
    refused('src/engine/x.ts', "import { spawn } from 'node:child_process';");
    refused('src/runtime/x.ts', "import { DatabaseSync } from 'node:sqlite';");
    refused('src/process/x.ts', "import { env } from 'node:process';");
    allowed('src/process/x.ts', "import { spawn } from 'node:child_process';");
    allowed('src/store/x.ts', "import { DatabaseSync } from 'node:sqlite';");
    allowed('src/engine/x.ts', "import { readFile } from 'node:fs/promises';");
  });

  it('refuses what has its one place anywhere else', () => {
    refused('src/cli/x.ts', 'const home = process.env.HOME;');
    refused('src/box/x.ts', 'if (done) process.exit(1);');
    refused('src/box/x.ts', 'export default class Box {}');
    allowed('src/base/env.ts', 'const home = process.env.HOME;');
    allowed('src/cli/x.ts', 'process.exit(1);');
    allowed('src/box/x.ts', '/** Never calls process.exit() nor reads process.env. */');
    allowed('src/box/x.ts', "const url = 'http://x'; // process.exit(1) is not called");
    refused('src/box/x.ts', "const url = 'http://x'; process.exit(1);");
  });

  it('holds a pure file to be pure, and to import only pure ones', () => {
    refused('src/box/x.ts', '// pure', 'const now = Date.now();');
    refused('src/box/x.ts', '// pure', 'const now = new Date();');
    refused('src/box/x.ts', '// pure', 'const dice = Math.random();');
    refused('src/box/x.ts', '// pure', 'setTimeout(() => {}, 1);');
    refused('src/box/x.ts', '// pure', "import { readFileSync } from 'node:fs';");
    refused('src/box/x.ts', '// pure', "import { randomBytes } from 'node:crypto';");
    refused('src/box/x.ts', '// pure', "import { createHash, randomInt } from 'node:crypto';");
    refused('src/box/x.ts', '// pure', "import { now } from './clock.ts';");
    refused('src/spec/x.ts', 'const now = Date.now();');
    allowed('src/box/x.ts', '// pure', "import { BoxliteError } from '../base/errors.ts';");
    allowed('src/box/x.ts', '// pure', "import type { now } from './clock.ts';");
    allowed('src/box/x.ts', '// pure', "import { createHash, type Hash } from 'node:crypto';");
    allowed('src/box/x.ts', 'const now = Date.now();');
  });

  it('keeps the public door to exports', () => {
    const guard = "import './base/node-version.ts';";
    const exports = [
      "export { A } from './box/a.ts';",
      'export {',
      '  b,',
      "} from './base/b.ts';",
    ];
    allowed('src/index.ts', '/** The door. */', guard, '', ...exports);
    refused('src/index.ts', ...exports, 'export const version = 1;');
    refused('src/index.ts', "import './runtime/boot.ts';");
    refused('src/index.ts', "export { a } from './cli/main.ts';");
  });

  it('refuses unfinished work in any file', () => {
    const words = ['TO', 'FIX'].map((start) => start + (start === 'TO' ? 'DO' : 'ME'));
    for (const word of words) {
      refused('guest/main.c', `/* ${word}: later */`);
      refused('test/box/x.test.ts', `// ${word}`);
    }
    allowed('guest/main.c', '/* to do: nothing */');
  });
});
