import { type FileHandle, open, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { BoxliteError } from '../base/errors.ts';
import { engines } from '../engine/engine.ts';
import type { Machine } from '../spec/parts.ts';
import { fileIdentity, verdictKey } from './host-checks.ts';
import { makeSnapshot, type SnapshotOptions } from './make-snapshot.ts';
import { SharedWork } from './shared-work.ts';
import { writeWhole } from './whole-file.ts';

/** How long it is believed that none can be had: the host may have been too busy. */
const NONE_MS = 24 * 60 * 60 * 1000;
/** What is read of a snapshot at once. */
const CHUNK_BYTES = 1024 * 1024;

/** How the guest is started of which a snapshot is made, should there be none yet. */
type GuestOptions = Omit<SnapshotOptions, 'folder'>;

/** A snapshot from which one guest is to start. */
export interface Snapshot extends AsyncDisposable {
  readonly stream: Readable;
  /** Takes it away, so that another is made: from this one no guest has started. */
  drop(): Promise<void>;
}

/**
 * The snapshots of this host's guests, in `<cacheDir>/snapshots`: files that are named by all that decides what a guest is
 * before it knows whose it is. An empty one says, for a day, that none could be had.
 */
export class Snapshots {
  readonly #folder: string;
  readonly #making = new Map<string, SharedWork<void>>();

  constructor(cacheDir: string) {
    this.#folder = join(cacheDir, 'snapshots');
  }

  /**
   * The one for a machine, made first where there is none yet. Null if guests of that kind boot each on their own.
   * @throws BoxliteError as a boot does, if the guest of which one is made does not boot either; the signal's reason.
   */
  async open(
    machine: Machine,
    options: GuestOptions,
    signal?: AbortSignal,
  ): Promise<Snapshot | null> {
    if (!engines[machine.engine].snapshots.includes(machine.kernel.arch)) return null;
    // In the sandbox of macOS no VMM may connect to what takes one.
    if (options.programs === null) return null;
    const path = join(this.#folder, await snapshotKey(machine));
    const found = await find(path);
    if (found !== null) return found.snapshot;
    await this.#make(path, machine, options, signal);
    return (await find(path))?.snapshot ?? null;
  }

  /** Several boxes of one kind that are started at once wait for the same one. */
  async #make(
    path: string,
    machine: Machine,
    options: GuestOptions,
    signal?: AbortSignal,
  ): Promise<void> {
    const begun = this.#making.get(path);
    if (begun?.cancelled === false) return begun.wait(signal);
    const work = new SharedWork(async (cancelled) => {
      try {
        const how = { ...options, folder: this.#folder };
        await writeWhole(path, await makeSnapshot(machine, how, cancelled));
      } catch (error) {
        cancelled.throwIfAborted();
        // In a cache without room for one, or that only others may write to, guests boot each on their own.
        if (BoxliteError.is(error) && !BoxliteError.is(error, 'Storage')) throw error;
      } finally {
        if (this.#making.get(path) === work) this.#making.delete(path);
      }
    });
    this.#making.set(path, work);
    return work.wait(signal);
  }
}

/** What is known: a snapshot, or that there is none to be had. Null if nothing is. */
async function find(path: string): Promise<{ readonly snapshot: Snapshot | null } | null> {
  const file = await openIfThere(path);
  if (file === null) return null;
  const { size, mtimeMs } = await file.stat();
  if (size > 0) return { snapshot: await snapshotIn(file, path) };
  await file.close();
  return Date.now() - mtimeMs > NONE_MS ? null : { snapshot: null };
}

async function snapshotIn(file: FileHandle, path: string): Promise<Snapshot> {
  // What is used is not swept away.
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
  const stream = file.createReadStream({ highWaterMark: CHUNK_BYTES });
  return {
    stream,
    drop: () => rm(path, { force: true }),
    async [Symbol.asyncDispose]() {
      stream.destroy();
      await file.close();
    },
  };
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch {
    return null;
  }
}

/** Part of every key: raise it when a snapshot is made in another way. */
const RECIPE = 1;

/** Changes with the command line and with what it names. The guest has measured the host's clock, so also with its boot. */
async function snapshotKey(machine: Machine): Promise<string> {
  const { engine, kernel, vmm, initramfs, disks } = machine;
  const { args } = engines[engine].plan({ ...machine, snapshot: 'restore' });
  const files = [kernel.id, initramfs, await fileIdentity(vmm.executable), vmm.version];
  return verdictKey([String(RECIPE), ...files, String(disks?.boxBytes), ...args]);
}
