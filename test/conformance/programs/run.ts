import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** What a program of this folder prints as JSON, in a process of its own with these variables besides ours. */
export async function runProgram(name: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const { stdout } = await promisify(execFile)(process.execPath, [`${folder}${name}.ts`, ...args], {
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout);
}
