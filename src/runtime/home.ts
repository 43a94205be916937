import { chmodSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { BoxDisks } from '../disk/box-disk.ts';
import { thisProcess } from '../process/identity.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import type { BoxRow } from '../store/box-row.ts';
import type { Metrics } from '../store/metrics.ts';
import { Store } from '../store/store.ts';
import type { Host } from './host.ts';
import { sweepJailRoot } from './jail-root.ts';
import { makeFolder } from './own-folders.ts';
import { recover } from './recover.ts';

/** A home: what any number of programs share, and where its parts are. */
export class Home implements Disposable {
  readonly directory: string;
  readonly host: Host;
  readonly disks: BoxDisks;
  #store: Store | null = null;
  #recovered: Promise<void> | null = null;
  #closed = false;

  constructor(directory: string, host: Host) {
    this.directory = directory;
    this.host = host;
    this.disks = new BoxDisks(host.options.cacheDir, host.options.run);
  }

  /** Where boxes keep what outlives them: one folder each, if they have something to keep. */
  get boxesDir(): string {
    return join(this.directory, 'boxes');
  }

  /** Where owners listen. */
  get ownersDir(): string {
    return join(this.directory, 'owners');
  }

  boxDir(id: string): string {
    return join(this.boxesDir, id);
  }

  /** The disk of a box that keeps one. */
  boxDisk(id: string): string {
    return join(this.boxDir(id), 'disk.ext4');
  }

  /** What is recorded; opened, and the folder made, by the first use. @throws BoxliteError `Database` */
  get store(): Store {
    this.requireOpen();
    if (this.#store === null) {
      makeFolder('Cannot make the home', this.boxesDir, 'homeDir or BOXLITE_HOME', 0o700);
      // Disks and records are nobody else's business.
      chmodSync(this.directory, 0o700);
      this.#store = Store.open(this.directory);
    }
    return this.#store;
  }

  /** The store, once what dead programs left has been put in order: the first use of this process does it. */
  async settled(): Promise<Store> {
    this.#recovered ??= recover(this);
    const recovered = this.#recovered;
    await recovered.catch((error: unknown) => {
      // The next use tries again.
      if (this.#recovered === recovered) this.#recovered = null;
      throw error;
    });
    return this.store;
  }

  /**
   * Looks something up in what is recorded, put in order first; also after the end of this runtime, for which the
   * store is opened once more. Null if the home has gone by then.
   */
  async lookUp<T>(work: (store: Store) => T): Promise<T | null> {
    if (!this.#closed) await this.settled();
    return this.look(work);
  }

  /** The same at once, as things are. */
  look<T>(work: (store: Store) => T): T | null {
    if (!this.#closed) return work(this.store);
    if (!Store.isIn(this.directory)) return null;
    using store = Store.open(this.directory);
    return work(store);
  }

  /** Writes down numbers that nothing depends on: where that cannot be done, as on a full disk, they are lost. */
  count(work: (metrics: Metrics) => void): void {
    if (this.#closed) return;
    try {
      work(this.store.metrics);
    } catch {
      // It is called where things happen by themselves, and nobody would hear of it.
    }
  }

  /** @throws BoxliteError `InvalidState` after the end of this runtime */
  requireOpen(): void {
    if (this.#closed) throw new BoxliteError('InvalidState', 'The runtime was shut down');
  }

  /** Removes what a box has kept outside of the store. */
  async removeFiles({ id, spec }: Pick<BoxRow, 'id' | 'spec'>): Promise<void> {
    await sweepJailRoot(spec.security, id.asStr().toLowerCase());
    await rm(this.boxDir(id.asStr()), { recursive: true, force: true });
  }

  me(): Promise<ProcessIdentity> {
    return thisProcess();
  }

  /** Whether {@link store} cannot be used any more. */
  get closed(): boolean {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#store?.[Symbol.dispose]();
    this.#store = null;
  }
}
