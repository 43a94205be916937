import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BoxliteError, messageOf } from '../base/errors.ts';

/** What a program is started with. */
export interface DetachedOptions {
  /** Written to its standard input, which is then closed. */
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a program that outlives this one, in a session of its own. Resolves with the first line it prints, after which nobody listens to it any more.
 * @throws BoxliteError `Engine` if it ends without a word; the signal's reason if aborted, which ends it.
 */
export async function startDetached(
  command: string,
  args: readonly string[],
  { input, env, signal }: DetachedOptions,
): Promise<string> {
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: '/',
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const onAbort = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', onAbort, { once: true });
  const said = Promise.withResolvers<string>();
  child.once('error', (cause) => said.reject(cause));
  child.once('close', (code, killedBy) => {
    said.reject(
      new Error(killedBy === null ? `it ended with status ${code}` : `it was ended by ${killedBy}`),
    );
  });
  createInterface({ input: child.stdout }).once('line', (line) => said.resolve(line));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  try {
    return await said.promise;
  } catch (cause) {
    signal?.throwIfAborted();
    const what = `Cannot start "${command} ${args.join(' ')}"`;
    throw new BoxliteError('Engine', `${what}: ${messageOf(cause)}`, { cause });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    child.stdout.destroy();
    child.unref();
  }
}
