import { access, constants } from 'node:fs/promises';
import { cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { boxliteHome, cacheDir, programPath } from '../base/env.ts';
import { BoxliteError } from '../base/errors.ts';
import { type BoxID, BoxIDMint } from '../base/ids.ts';
import { LiteBox } from '../box/lite-box.ts';
import { BoxDisks } from '../disk/box-disk.ts';
import { runCommand } from '../process/run.ts';
import type { BoxOptions } from '../spec/box-options.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import { type BoxStatus, canRemove } from '../spec/box-status.ts';
import type { BoxliteOptions } from '../spec/boxlite-options.ts';
import { parseListFilter } from '../spec/call-options.ts';
import { hostPathsOf, missingHostPath } from '../spec/host-path.ts';
import type { BoxInfo, EngineReport } from '../spec/info.ts';
import { parseBoxliteOptions, parseBoxName, parseBoxOptions } from '../spec/parse-options.ts';
import { Host } from './host.ts';
import { ImageStore } from './image-store.ts';
import { LocalBox } from './local-box.ts';
import { MemoryImageRecords } from './memory-image-records.ts';
import { rootImage } from './root-image.ts';

/** The shortest part of an id that names a box. */
const ID_PREFIX_MIN = 4;

let defaultRuntime: BoxliteRuntime | null = null;

/** Makes boxes and finds them again. Disposing of it stops the boxes it owns. */
export class BoxliteRuntime implements AsyncDisposable {
  /** The images on this host. */
  readonly images: ImageStore;
  readonly #homeDir: string;
  readonly #engine: BoxSpec['engine'];
  readonly #host: Host;
  readonly #disks: BoxDisks;
  readonly #records = new MemoryImageRecords();
  readonly #boxes = new Map<string, LocalBox>();
  #shutDown: Promise<void> | null = null;

  /** @throws BoxliteError `InvalidArgument` naming the option that is wrong. */
  constructor(options: BoxliteOptions = {}) {
    const spec = parseBoxliteOptions(options, {
      // Asked only if it is needed: a broken variable does not matter to those who say where.
      get homeDir() {
        return boxliteHome();
      },
    });
    this.#homeDir = spec.homeDir;
    this.#engine = spec.engine;
    const cache = cacheDir();
    this.#host = new Host({ cacheDir: cache, path: programPath(), run: runCommand });
    this.#disks = new BoxDisks(cache, runCommand);
    this.images = new ImageStore({
      directory: join(spec.homeDir, 'images'),
      records: () => this.#records,
      registries: spec.imageRegistries,
      run: runCommand,
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
    refuseUnsupported(spec);
    await requireHostPaths(spec);
    const boxName = name === undefined ? null : parseBoxName(name);
    if (boxName !== null && this.#find(boxName) !== null) {
      throw new BoxliteError('AlreadyExists', `There is a box named "${boxName}" already`);
    }
    const id = BoxIDMint.mint();
    const box = new LocalBox({
      id,
      name: boxName,
      spec,
      engine: spec.engine ?? this.#engine,
      host: this.#host,
      disks: this.#disks,
      image: (signal) =>
        rootImage(spec.rootfs, { images: this.images, ...this.#host.options }, signal),
      boxesDir: join(this.#homeDir, 'boxes'),
      onRemoved: () => this.#boxes.delete(id.asStr()),
    });
    this.#boxes.set(id.asStr(), box);
    return new LiteBox(box);
  }

  /** The box of that name, made if there is none. An existing one keeps its own options. */
  async getOrCreate(
    options: BoxOptions,
    name: string,
  ): Promise<{ box: LiteBox; created: boolean }> {
    const existing = await this.get(name);
    if (existing !== null) return { box: existing, created: false };
    return { box: await this.create(options, name), created: true };
  }

  /**
   * The box of that id, name or unique id prefix of at least 4 characters; null if there is none.
   * @throws BoxliteError `InvalidArgument` if a prefix fits several boxes.
   */
  async get(idOrName: string | BoxID): Promise<LiteBox | null> {
    const box = this.#find(String(idOrName));
    return box === null ? null : new LiteBox(box);
  }

  /** The same as {@link get}, for what is known about the box. */
  async getInfo(idOrName: string | BoxID): Promise<BoxInfo | null> {
    return this.#find(String(idOrName))?.info() ?? null;
  }

  /** Every box that fits the filter, the newest first. */
  async listInfo(
    filter: { status?: BoxStatus[]; labels?: Record<string, string> } = {},
  ): Promise<BoxInfo[]> {
    const { status, labels: wanted } = parseListFilter(filter);
    const labels = Object.entries(wanted);
    return [...this.#boxes.values()]
      .map((box) => box.info())
      .filter((info) => status.includes(info.status))
      .filter((info) => labels.every(([name, value]) => info.labels[name] === value))
      .reverse();
  }

  async exists(idOrName: string | BoxID): Promise<boolean> {
    return this.#find(String(idOrName)) !== null;
  }

  /**
   * Removes a box and its disk. `force` ends a running one first.
   * @throws BoxliteError `NotFound`; `InvalidState` if it is active and `force` is not set.
   */
  async remove(idOrName: string | BoxID, force = false): Promise<void> {
    const box = this.#find(String(idOrName));
    if (box === null) throw new BoxliteError('NotFound', `There is no box "${idOrName}"`);
    if (!canRemove(box.status) && !force) {
      throw new BoxliteError(
        'InvalidState',
        `Cannot remove the box ${box.id}: it is ${box.status}; stop it first, or use force`,
      );
    }
    await box.stop(null);
    await box.remove();
  }

  /**
   * What this host can run: every engine, whether it works, why not, and what to do about it. An engine that
   * was found not to work is tried again only if `retry` is set, or the host has rebooted.
   */
  engines(options: { retry?: boolean; signal?: AbortSignal } = {}): Promise<EngineReport[]> {
    return this.#host.reports(options);
  }

  /** Stops the boxes this runtime owns. Idempotent; nothing can be created afterwards. */
  shutdown(): Promise<void> {
    this.#shutDown ??= this.#stopAll();
    return this.#shutDown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#boxes.values()].map((box) => box.stop(null)));
  }

  #find(idOrName: string): LocalBox | null {
    const exact = this.#boxes.get(idOrName);
    if (exact !== undefined) return exact;
    const boxes = [...this.#boxes.values()];
    const named = boxes.find((box) => box.name === idOrName);
    if (named !== undefined) return named;
    if (idOrName.length < ID_PREFIX_MIN) return null;
    const [match, another] = boxes.filter((box) => box.id.asStr().startsWith(idOrName));
    if (another !== undefined) {
      throw new BoxliteError(
        'InvalidArgument',
        `"${idOrName}" fits several boxes: give more of the id`,
      );
    }
    return match ?? null;
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

/** What the options allow and this version cannot do is refused, never ignored. */
function refuseUnsupported(spec: BoxSpec): void {
  const refused: [boolean, string][] = [
    [spec.volumes.length > 0, 'volumes'],
    [spec.ports.length > 0, 'ports'],
    [spec.secrets.length > 0, 'secrets'],
    [spec.detach, 'detach'],
    [spec.network.mode === 'enabled' && spec.network.allowNet.length > 0, 'network.allowNet'],
  ];
  for (const [wanted, what] of refused) {
    if (!wanted) continue;
    throw new BoxliteError('Unsupported', `${what}: not available in this version`);
  }
}
