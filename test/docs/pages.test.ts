/** Every block of code in the documentation is run as it is written, and prints what it says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inNamespace } from '../network/namespace.ts';
import { type CodeBlock, codeBlocks, expectedLines, transcript } from './markdown.ts';
import { wholeProgram } from './program.ts';
import { DocumentedWorld, worldHosts } from './world.ts';

const top = fileURLToPath(new URL('../../', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', ...markdownIn('docs'), ...markdownIn('docs/guides')];
/** A block of the documentation is short. */
const BLOCK_MS = 120_000;

if (inNamespace(import.meta.filename, { hosts: worldHosts, timeoutMs: 900_000 })) {
  let world: DocumentedWorld;
  before(async () => {
    world = await DocumentedWorld.start();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const page of pages) {
    describe(page, () => {
      for (const block of codeBlocks(readFileSync(join(top, page), 'utf8'))) {
        const title = `line ${block.line}: ${block.language}`;
        it(title, { timeout: BLOCK_MS, skip: block.notRun ?? false }, () => run(block, world));
      }
    });
  }

  it('passes the type checker, all programs of it', () => typeCheck(world));
}

function markdownIn(folder: string): string[] {
  const names = readdirSync(join(top, folder)).filter((name) => name.endsWith('.md'));
  return names.sort().map((name) => `${folder}/${name}`);
}

let programs = 0;

async function run(block: CodeBlock, world: DocumentedWorld): Promise<void> {
  const { language, code, until } = block;
  if (language === 'ts') {
    const file = `block-${programs++}.ts`;
    writeFileSync(join(world.folder, file), wholeProgram(code));
    const output = await world.say(process.execPath, [file], until);
    const lines = output.split('\n');
    for (const expected of expectedLines(code)) {
      assert.ok(lines.includes(expected), `it does not print "${expected}":\n${output}`);
    }
  } else if (language === 'sh') {
    await world.say('bash', ['-euo', 'pipefail', '-c', code], until);
  } else if (language === 'console') {
    for (const { command, output } of transcript(code)) {
      const said = await world.say('bash', ['-c', `{ ${command}\n} 2>&1 || true`], until);
      assert.match(said, pattern(output));
    }
  } else if (language === 'json') {
    JSON.parse(code);
  } else {
    assert.equal(language, '', `nobody knows how to run "${language}"`);
  }
}

/** `…` stands for anything. */
function pattern(output: string): RegExp {
  const parts = output.trimEnd().split('…');
  return new RegExp(`^${parts.map((part) => escaped(part)).join('[^]*')}\\s*$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function typeCheck({ folder }: DocumentedWorld): void {
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ module: 'NodeNext', target: 'ES2024', lib: ['ES2024', 'ESNext.Disposable'] },
    ...{ types: ['node'], typeRoots: [join(top, 'node_modules/@types')], noEmit: true },
    ...{ allowImportingTsExtensions: true, skipLibCheck: true },
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['block-*.ts'] }),
  );
  const tsc = join(top, 'node_modules/.bin/tsc');
  const { stdout, status } = spawnSync(tsc, ['-p', folder], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
}
