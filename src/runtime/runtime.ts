import { access, constants } from 'node:fs/promises';
import { cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { boxliteHome, cacheDir, programPath } from '../base/env.ts';
import { BoxliteError } from '../base/errors.ts';
import { BoxID, BoxIDMint } from '../base/ids.ts';
import { LiteBox } from '../box/lite-box.ts';
import { runCommand } from '../process/run.ts';
import type { BoxOptions } from '../spec/box-options.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import { BoxStatus, canRemove, isActive } from '../spec/box-status.ts';
import type { BoxliteOptions } from '../spec/boxlite-options.ts';
import { parseEnginesOptions, parseListFilter } from '../spec/call-options.ts';
import { hostPathsOf, missingHostPath } from '../spec/host-path.ts';
import type { BoxInfo, EngineReport } from '../spec/info.ts';
import type { RuntimeMetrics } from '../spec/metrics.ts';
import { providersOf } from '../spec/parse-files.ts';
import { parseBoxliteOptions, parseBoxName, parseBoxOptions } from '../spec/parse-options.ts';
import { mistyped } from '../spec/reader.ts';
import { type BoxRow, boxInfo } from '../store/box-row.ts';
import { BoxHandle } from './box-handle.ts';
import { Home } from './home.ts';
import { Host } from './host.ts';
import { ImageStore } from './image-store.ts';
import { Owner } from './owner.ts';
import { rootImage } from './root-image.ts';
import { sealSecrets } from './secret-seal.ts';

let defaultRuntime: BoxliteRuntime | null = null;

/** Makes boxes and finds them again. Disposing of it stops the boxes it owns. */
export class BoxliteRuntime implements AsyncDisposable {
  /** The images on this host. */
  readonly images: ImageStore;
  readonly #home: Home;
  readonly #host: Host;
  readonly #owner: Owner;
  #shutDown: Promise<void> | null = null;

  /** @throws BoxliteError `InvalidArgument` naming the option that is wrong. */
  constructor(options: BoxliteOptions = {}) {
    const spec = parseBoxliteOptions(options, {
      // Asked only if it is needed: a broken variable does not matter to those who say where.
      get homeDir() {
        return boxliteHome();
      },
    });
    this.#host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
    this.#home = new Home(spec.homeDir, this.#host);
    this.images = new ImageStore({
      directory: join(spec.homeDir, 'images'),
      records: () => this.#home.store.images,
      registries: spec.imageRegistries,
      run: runCommand,
    });
    const sources = { images: this.images, ...this.#host.options };
    this.#owner = new Owner({
      home: this.#home,
      kind: 'process',
      engine: spec.engine,
      image: (row, signal) => rootImage(row.spec.rootfs, sources, signal),
    });
  }

  /** A runtime with every option at its default. */
  static withDefaults(): BoxliteRuntime {
    return new BoxliteRuntime();
  }

  /** The runtime of this process, made by the first call. */
  static defaultRuntime(): BoxliteRuntime {
    defaultRuntime ??= new BoxliteRuntime();
    return defaultRuntime;
  }

  /** The runtime of this process, or null if it has not been made. */
  static tryDefaultRuntime(): BoxliteRuntime | null {
    return defaultRuntime;
  }

  /** Makes the runtime of this process. @throws BoxliteError `AlreadyExists` if there is one. */
  static initDefaultRuntime(options: BoxliteOptions): void {
    if (defaultRuntime !== null) {
      throw new BoxliteError(
        'AlreadyExists',
        'The default runtime has been made already: call initDefaultRuntime() before its first use',
      );
    }
    defaultRuntime = new BoxliteRuntime(options);
  }

  /**
   * Makes a box, which boots when it is started or first used.
   * @throws BoxliteError `InvalidArgument` naming the option that is wrong; `AlreadyExists` if the name is
   * taken; `Unsupported` for what this version cannot do yet; `InvalidState` after {@link shutdown}.
   */
  async create(options: BoxOptions = {}, name?: string): Promise<LiteBox> {
    this.#requireLife();
    const spec = parseBoxOptions(options, hostFacts());
    await requireHostPaths(spec);
    const { boxes } = await this.#home.settled();
    const creator = await this.#home.me();
    // What is made from now on, shutting down finds.
    this.#requireLife();
    const row = boxes.create({
      id: BoxIDMint.mint(),
      name: name === undefined ? null : parseBoxName(name),
      spec: sealSecrets(this.#home.directory, spec),
      creator,
    });
    this.#owner.made(row, providersOf(options, spec));
    return new LiteBox(this.#handle(row));
  }

  /** The box of that name, made if there is none. An existing one keeps its own options. */
  async getOrCreate(
    options: BoxOptions,
    name: string,
  ): Promise<{ box: LiteBox; created: boolean }> {
    const existing = await this.#named(name);
    if (existing !== null) return { box: existing, created: false };
    try {
      return { box: await this.create(options, name), created: true };
    } catch (error) {
      // Another program was faster.
      const made = BoxliteError.is(error, 'AlreadyExists') ? await this.#named(name) : null;
      if (made === null) throw error;
      return { box: made, created: false };
    }
  }

  /** The box of exactly that name: what begins an id may be a name, too. */
  async #named(name: string): Promise<LiteBox | null> {
    const row = await this.#home.lookUp(({ boxes }) => boxes.named(parseBoxName(name)));
    return row === null ? null : new LiteBox(this.#handle(row));
  }

  /**
   * The box of that id, name or unique id prefix of at least 4 characters; null if there is none.
   * @throws BoxliteError `InvalidArgument` if a prefix fits several boxes.
   */
  async get(idOrName: string | BoxID): Promise<LiteBox | null> {
    const handle = await this.#find(idOrName);
    return handle === null ? null : new LiteBox(handle);
  }

  /** The same as {@link get}, for what is known about the box. */
  async getInfo(idOrName: string | BoxID): Promise<BoxInfo | null> {
    return (await this.#find(idOrName))?.info() ?? null;
  }

  /** Every box of the home that fits the filter, the newest first. */
  async listInfo(
    filter: { status?: BoxStatus[]; labels?: Record<string, string> } = {},
  ): Promise<BoxInfo[]> {
    const parsed = parseListFilter(filter);
    return (await this.#home.lookUp(({ boxes }) => boxes.list(parsed).map(boxInfo))) ?? [];
  }

  async exists(idOrName: string | BoxID): Promise<boolean> {
    return (await this.#find(idOrName)) !== null;
  }

  /**
   * Removes a box and its disk, whoever owns it. `force` ends a running one first.
   * @throws BoxliteError `NotFound`; `InvalidState` if it is active and `force` is not set.
   */
  async remove(idOrName: string | BoxID, force = false): Promise<void> {
    const handle = await this.#find(idOrName);
    if (handle === null) throw new BoxliteError('NotFound', `There is no box "${idOrName}"`);
    const { status } = handle.info();
    if (!canRemove(status) && !force) {
      throw new BoxliteError(
        'InvalidState',
        `Cannot remove the box ${handle.id}: it is ${status}; stop it first, or use force`,
      );
    }
    if (isActive(status)) await handle.kill();
    if (await handle.remove()) return;
    throw new BoxliteError(
      'InvalidState',
      force
        ? `Cannot remove the box ${handle.id}: the program that runs it does not let it go; end that program`
        : `Cannot remove the box ${handle.id}: it has just been started; stop it first, or use force`,
    );
  }

  /** Totals of this home, over all programs that use it and have used it. */
  async metrics(): Promise<RuntimeMetrics> {
    return (await this.#home.settled()).metrics.ofHome();
  }

  /**
   * What this host can run: every engine, whether it works, why not, and what to do about it. What was
   * found is found out anew only if `retry` is set, or the host has rebooted.
   */
  async engines(options: { retry?: boolean; signal?: AbortSignal } = {}): Promise<EngineReport[]> {
    const { retry, signal } = parseEnginesOptions(options);
    return await this.#host.reports({ retry, signal: signal ?? undefined });
  }

  /**
   * Stops the boxes this runtime owns. Idempotent; nothing can be created or started afterwards, but what is known
   * about boxes can be looked up.
   */
  shutdown(): Promise<void> {
    this.#shutDown ??= this.#stopAll();
    return this.#shutDown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #stopAll(): Promise<void> {
    await this.#owner[Symbol.asyncDispose]();
    for (const id of this.#owner.unstarted) await this.#removeUnstarted(id);
    this.#home[Symbol.dispose]();
  }

  async #removeUnstarted(id: string): Promise<void> {
    const row = this.#home.look(({ boxes }) => boxes.find(id));
    if (row?.status === BoxStatus.Configured) await this.#handle(row).remove();
  }

  async #find(idOrName: string | BoxID): Promise<BoxHandle | null> {
    if (typeof idOrName !== 'string' && !(idOrName instanceof BoxID)) {
      throw mistyped('idOrName', 'the id or the name of a box', idOrName);
    }
    const row = await this.#home.lookUp(({ boxes }) => boxes.find(String(idOrName)));
    return row === null ? null : this.#handle(row);
  }

  #handle(row: BoxRow): BoxHandle {
    return new BoxHandle({ home: this.#home, owner: this.#owner, row });
  }

  #requireLife(): void {
    if (this.#shutDown !== null) {
      throw new BoxliteError('InvalidState', 'Cannot create a box: the runtime was shut down');
    }
  }
}

function hostFacts() {
  return {
    cpus: cpus().length,
    memoryMib: Math.floor(totalmem() / (1024 * 1024)),
    platform: platform(),
    cwd: process.cwd(),
  };
}

async function requireHostPaths(spec: BoxSpec): Promise<void> {
  for (const named of hostPathsOf(spec)) {
    await access(named.path, constants.R_OK).catch((cause: unknown) => {
      throw missingHostPath(named, cause);
    });
  }
}
