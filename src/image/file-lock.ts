/**
 * Locks between processes that share a folder, without a daemon and without system calls that Node
 * lacks.
 *
 * Everyone who wants a lock puts down a file of its own, whose name says who and for what, and then
 * looks at all of them. An exclusive claim holds when no other live claim is there; a shared one when
 * no live exclusive one is. Who puts down its file second sees the first one's, so two can never both
 * hold. A claim that does not hold is taken back and made again later, except that an exclusive claim
 * stays while it waits for shared ones to go, so that new ones do not starve it.
 *
 * File names are never used twice. So a dead process's claim can be removed by anyone at any time
 * without the race of removing a new one of the same name.
 *
 * Claims of processes that cannot be checked (see lock-owner.ts) count as dead when their file has not
 * been touched for a while; owners touch theirs.
 */

import { randomBytes } from 'node:crypto';
import { open, readdir, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../base/errors.ts';
import { type LockOwner, livenessOf, thisProcess } from './lock-owner.ts';

export interface LockOptions {
  readonly mode: 'shared' | 'exclusive';
  readonly signal?: AbortSignal | undefined;
  /** Called on every look at a lock that others hold. */
  readonly onWait?: () => void;
}

interface Claim {
  readonly file: string;
  readonly mode: LockOptions['mode'];
  readonly owner: LockOwner;
}

const TOUCH_MS = 5_000;
const SILENT_MS_MAX = 60_000;
/** How often to look at a lock that others hold, spread so that two do not keep meeting. */
const LOOK_MS = 20;
const CLAIM = /^(.+)\.lock-([xs])-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,20})-[0-9a-f]{16}$/;

/** A lock that is held until it is disposed of. Dies with the process, too. */
export class FileLock implements AsyncDisposable {
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;

  private constructor(path: string) {
    this.#path = path;
    this.#timer = setInterval(() => touch(path), TOUCH_MS).unref();
  }

  /**
   * Waits until the lock is ours.
   *
   * @throws the signal's reason
   */
  static async acquire(folder: string, name: string, options: LockOptions): Promise<FileLock> {
    const self = thisProcess();
    for (;;) {
      options.signal?.throwIfAborted();
      const claim = await putDown(folder, name, options.mode, self);
      const lock = new FileLock(join(folder, claim.file));
      try {
        if (await holds(folder, name, claim, self, options)) return lock;
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
      await lock[Symbol.asyncDispose]();
      await pause(options);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await remove(this.#path);
  }
}

/** Whether a file of the folder is a claim to this lock, dead or alive. */
export function isLockOf(file: string, name: string): boolean {
  return CLAIM.exec(file)?.[1] === name;
}

/** Whether the claim, once put down, is the lock. Waits as long as only shared claims are in its way. */
async function holds(
  folder: string,
  name: string,
  claim: Claim,
  self: LockOwner,
  options: LockOptions,
): Promise<boolean> {
  for (;;) {
    const others = await liveClaims(folder, name, claim.file, self);
    if (others.some(({ mode }) => mode === 'exclusive')) return false;
    if (claim.mode === 'shared' || others.length === 0) return true;
    await pause(options);
  }
}

async function pause({ signal, onWait }: LockOptions): Promise<void> {
  onWait?.();
  const ms = LOOK_MS * (0.5 + Math.random());
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
  signal?.throwIfAborted();
}

async function putDown(
  folder: string,
  name: string,
  mode: LockOptions['mode'],
  owner: LockOwner,
): Promise<Claim> {
  const id = randomBytes(8).toString('hex');
  const { scope, pid, start } = owner;
  const file = `${name}.lock-${mode === 'exclusive' ? 'x' : 's'}-${scope}-${pid}-${start}-${id}`;
  const handle = await open(join(folder, file), 'wx', 0o600);
  await handle.close();
  return { file, mode, owner };
}

async function liveClaims(
  folder: string,
  name: string,
  own: string,
  self: LockOwner,
): Promise<Claim[]> {
  const live: Claim[] = [];
  for (const file of await readdir(folder)) {
    const claim = file === own ? null : parseClaim(file, name);
    if (claim === null) continue;
    if (await isLive(folder, claim, self)) live.push(claim);
    else await remove(join(folder, file));
  }
  return live;
}

function parseClaim(file: string, name: string): Claim | null {
  const [, of, mode, scope = '', pid, start = ''] = CLAIM.exec(file) ?? [];
  if (of !== name) return null;
  const owner = { scope, pid: Number(pid), start };
  return { file, mode: mode === 'x' ? 'exclusive' : 'shared', owner };
}

async function isLive(folder: string, { file, owner }: Claim, self: LockOwner): Promise<boolean> {
  const liveness = livenessOf(owner, self);
  if (liveness !== 'unknown') return liveness === 'alive';
  try {
    const { mtimeMs } = await stat(join(folder, file));
    return Date.now() - mtimeMs < SILENT_MS_MAX;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function touch(path: string): void {
  const now = new Date();
  // Gone if somebody took us for dead; nothing to be done about it here.
  utimes(path, now, now).catch(() => undefined);
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}
