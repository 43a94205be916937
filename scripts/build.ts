/**
 * `npm run build`: compiles src/ to dist/ with declarations, and puts the guest agents beside it: this machine's, and
 * that of the other architecture if it has been built, as `npm run release` does.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
rmSync('dist', { recursive: true, force: true });

const tsc = spawnSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
if (tsc.status === 0) {
  mkdirSync('dist/guest', { recursive: true });
  copyFileSync('guest/build/agent', `dist/guest/agent-${process.arch}`);
  const other = `agent-${process.arch === 'x64' ? 'arm64' : 'x64'}`;
  if (existsSync(`guest/build/${other}`)) {
    copyFileSync(`guest/build/${other}`, `dist/guest/${other}`);
  }
  if (process.arch === 'x64') copyFileSync('guest/build/uml-xstate.so', 'dist/guest/uml-xstate.so');
  chmodSync('dist/cli/boxlite.js', 0o755);
}
process.exitCode = tsc.status ?? 1;
