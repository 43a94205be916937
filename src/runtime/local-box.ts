import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import type { BoxID } from '../base/ids.ts';
import type { ExecCounters } from '../box/execution.ts';
import type { BoxBackend, Connection } from '../box/lite-box.ts';
import type { BoxDisks } from '../disk/box-disk.ts';
import { type BoxSpec, rootfsName } from '../spec/box-spec.ts';
import { BoxStatus } from '../spec/box-status.ts';
import type { BoxInfo } from '../spec/info.ts';
import { type Booted, boot } from './boot.ts';
import type { Host } from './host.ts';
import type { RootImage } from './root-image.ts';

/** How long a box may take to clean up when nothing else is said. */
const STOP_TIMEOUT_MS = 10_000;

/** What a box is made of, and who wants to know of its end. */
export interface LocalBoxOptions {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  readonly engine: BoxSpec['engine'];
  readonly host: Host;
  readonly disks: BoxDisks;
  readonly image: (signal?: AbortSignal) => Promise<RootImage>;
  /** Folder in which the box's own one is made, if it has files that stay. */
  readonly boxesDir: string;
  readonly onRemoved: () => void;
}

/** A box of this process: boots it, ends it, and keeps track of where it stands. */
export class LocalBox implements BoxBackend {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  readonly hostname: string;
  readonly counters: ExecCounters = { sent: () => undefined, received: () => undefined };
  readonly #options: LocalBoxOptions;
  readonly #createdAt = new Date();
  #updatedAt = this.#createdAt;
  #status: BoxStatus = BoxStatus.Configured;
  #exitReason: string | null = null;
  #booting: Promise<Booted> | null = null;
  #booted: Booted | null = null;
  #stopping: Promise<void> | null = null;
  #removed = false;
  #busy = 0;

  constructor(options: LocalBoxOptions) {
    this.#options = options;
    this.id = options.id;
    this.name = options.name;
    this.spec = options.spec;
    this.hostname = options.id.asStr().toLowerCase();
  }

  get status(): BoxStatus {
    return this.#status;
  }

  info(): BoxInfo {
    const { spec } = this;
    return {
      id: this.id,
      name: this.name,
      status: this.#status,
      createdAt: this.#createdAt,
      lastUpdated: this.#updatedAt,
      pid: this.#booted?.vm.process.pid ?? null,
      image: rootfsName(spec.rootfs),
      cpus: spec.cpus,
      memoryMib: spec.memoryMib,
      labels: { ...spec.labels },
      engine: this.#booted?.engine.name ?? null,
      ports: [],
      exitReason: this.#exitReason,
    };
  }

  async connect(signal?: AbortSignal): Promise<Connection> {
    await this.#stopping;
    this.#requireLife();
    if (this.#booted === null) {
      this.#booting ??= this.#boot(signal).finally(() => {
        this.#booting = null;
      });
      await this.#booting;
    }
    const booted = this.#booted as Booted | null;
    if (booted === null) throw new BoxliteError('InvalidState', `The box ${this.id} was stopped`);
    return { channel: booted.vm.portal.channel, image: booted.config };
  }

  async stop(timeoutMs: number | null): Promise<void> {
    if (this.#removed) return;
    this.#stopping ??= this.busy(this.#stop(timeoutMs)).finally(() => {
      this.#stopping = null;
    });
    await this.#stopping;
  }

  /** Deletes what the box has on disk. It must not be running. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    await rm(this.#directory, { recursive: true, force: true });
    this.#options.onRemoved();
  }

  async busy<T>(work: Promise<T>): Promise<T> {
    this.#busy++;
    this.#keepAlive();
    try {
      return await work;
    } finally {
      this.#busy--;
      this.#keepAlive();
    }
  }

  get #directory(): string {
    return join(this.#options.boxesDir, this.id.asStr());
  }

  async #boot(signal?: AbortSignal): Promise<Booted> {
    const { host, spec, engine, image, disks } = this.#options;
    const booted = await boot(
      {
        host,
        spec: { ...spec, engine },
        hostname: this.hostname,
        image,
        disk: () => this.#openDisk(disks),
      },
      signal,
    );
    this.#booted = booted;
    this.#exitReason = null;
    this.#setStatus(BoxStatus.Running);
    this.#keepAlive();
    void booted.vm.lost.then((reason) => this.#lost(booted, reason));
    return booted;
  }

  /** A box that is removed when it stops has a disk without a name: nothing of it can be left behind. */
  async #openDisk(disks: BoxDisks) {
    const { spec } = this;
    if (spec.autoRemove) {
      return disks.create({ unnamedIn: this.#options.boxesDir }, spec.diskSizeGb);
    }
    const path = join(this.#directory, 'disk.ext4');
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const existing = await open(path, 'r+').catch(() => null);
    return existing ?? disks.create({ path }, spec.diskSizeGb);
  }

  async #stop(timeoutMs: number | null): Promise<void> {
    await this.#booting?.catch(() => undefined);
    const booted = this.#booted;
    if (booted !== null) {
      this.#setStatus(BoxStatus.Stopping);
      const reason = new BoxliteError('InvalidState', `The box ${this.id} was stopped`);
      await booted.vm.shutDown(timeoutMs ?? STOP_TIMEOUT_MS, reason);
      await booted.resources[Symbol.asyncDispose]();
      this.#booted = null;
      this.#exitReason = 'stopped';
      this.#setStatus(BoxStatus.Stopped);
    }
    if (this.spec.autoRemove) await this.remove();
  }

  /** The VM ended without having been asked to. */
  async #lost(booted: Booted, reason: BoxliteError): Promise<void> {
    if (this.#booted !== booted || this.#stopping !== null) return;
    await booted.resources[Symbol.asyncDispose]();
    if (this.#booted !== booted) return;
    this.#booted = null;
    this.#exitReason = reason.message;
    this.#setStatus(BoxStatus.Stopped);
  }

  #setStatus(status: BoxStatus): void {
    this.#status = status;
    this.#updatedAt = new Date();
  }

  #keepAlive(): void {
    this.#booted?.vm.process.keepAlive(this.#busy > 0);
  }

  #requireLife(): void {
    if (this.#removed) {
      throw new BoxliteError('NotFound', `The box ${this.id} has been removed: create another one`);
    }
  }
}
