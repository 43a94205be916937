import type { Seconds } from '../base/durations.ts';
import type { BoxID } from '../base/ids.ts';
import type { Bytes } from '../base/sizes.ts';
import type { Channel } from '../portal/channel.ts';
import type { CopyOptions } from '../spec/box-options.ts';
import type { BoxSpec, EnvironmentPair } from '../spec/box-spec.ts';
import {
  parseCopyOptions,
  parseLogsOptions,
  parseSignalOptions,
  parseStartOptions,
  parseStopOptions,
} from '../spec/call-options.ts';
import { type BoxCommand, parseCommand } from '../spec/command.ts';
import type { BoxInfo, LogEntry } from '../spec/info.ts';
import type { BoxMetrics } from '../spec/metrics.ts';
import { execRequest } from './exec-request.ts';
import { type ExecHost, Execution } from './execution.ts';
import { copyIn, copyOut } from './files/copy.ts';
import { FileService } from './files/file-service.ts';
import { BoxFileSystem } from './files/file-system.ts';
import { BoxNetwork, type NetworkBackend } from './network.ts';

/** What an image says about programs, as far as commands are concerned. */
export interface ImageDefaults {
  readonly env: readonly EnvironmentPair[];
  readonly user: string;
  readonly workingDir: string;
}

/** The wire to a running box. */
export interface Connection {
  readonly channel: Channel;
  /** Null if the box's root file system is no image. */
  readonly image: ImageDefaults | null;
}

/** What starting a box takes. */
export interface StartSpec {
  /** GiB; null leaves the disk as large as it is. */
  readonly diskSizeGb: number | null;
  readonly signal: AbortSignal | null;
}

/** How a box is run; the runtime knows. */
export interface BoxBackend extends ExecHost, NetworkBackend {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  readonly hostname: string;
  info(): BoxInfo;
  /** The wire to the running box, which is booted if it is not running. */
  connect(signal?: AbortSignal): Promise<Connection>;
  /** Boots the box if it is not running. One that ends at once has been started nonetheless. */
  start(options: StartSpec): Promise<void>;
  stop(timeoutMs: number | null): Promise<void>;
  metrics(): Promise<BoxMetrics>;
  logs(options: { follow: boolean; signal?: AbortSignal | undefined }): AsyncIterable<LogEntry>;
}

/** A box. The handle is good for the box's whole life; disposing of it stops the box. */
export class LiteBox implements AsyncDisposable {
  /** The box's files, in the shape of `node:fs/promises`. */
  readonly fs: BoxFileSystem;
  /** The box's network, as it can be changed while the box runs. */
  readonly network: BoxNetwork;
  readonly #backend: BoxBackend;
  readonly #files: FileService;

  /** @internal */
  constructor(backend: BoxBackend) {
    this.#backend = backend;
    this.#files = new FileService(backend);
    this.fs = new BoxFileSystem(this.#files);
    this.network = new BoxNetwork(backend);
  }

  get id(): BoxID {
    return this.#backend.id;
  }

  get name(): string | null {
    return this.#backend.name;
  }

  /** What is known about the box. Does no work in it. */
  info(): BoxInfo {
    return this.#backend.info();
  }

  /**
   * Boots the box; a running one is left alone. `diskSizeGb` makes the disk of one that does not run larger, for
   * good; what is on it stays.
   * @throws BoxliteError `Engine` naming the stage at which it failed; `NotFound` if the box is gone;
   * `InvalidArgument` if its disk is larger than `diskSizeGb`; `InvalidState` if it runs and would have to grow.
   */
  async start(
    options: { diskSizeGb?: number | Bytes | undefined; signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#backend.busy(this.#backend.start(parseStartOptions(options)));
  }

  /**
   * Runs a command, booting the box first if needed; resolves once the command runs. Aborting kills it.
   * @throws BoxliteError `Run` if it cannot be found or executed, saying which of the two.
   */
  async run(
    command: BoxCommand | [string, ...string[]],
    options: { signal?: AbortSignal } = {},
  ): Promise<Execution> {
    const backend = this.#backend;
    const asked = parseCommand(command);
    const signal = parseSignalOptions(options).signal ?? undefined;
    const start = async () => {
      const { channel, image } = await backend.connect(signal);
      const request = execRequest(asked, backend, image);
      return Execution.start(channel, request, backend, signal);
    };
    const { counters } = backend;
    const execution = await backend.busy(start()).catch((error: unknown) => {
      counters.ran(true);
      throw error;
    });
    const over = () => counters.ran(false);
    backend.busy(execution.ended).then(over, () => counters.ran(true));
    return execution;
  }

  /**
   * Copies a file or a directory of the host into the box, by the rules of `docker cp`: into `guestPath` if that is
   * a directory, as `guestPath` otherwise; what is missing above it is made. Modes, times, symbolic and hard links
   * and holes stay as they are; the owner is root unless `owner` says otherwise. Sockets, FIFOs and devices in a
   * directory are left out. A host path that ends with `/.` stands for what is in the directory, as does
   * `includeParent: false`. A file that was there is replaced when the new one is whole, and only by a file.
   * @throws BoxliteError with the failing system's code as `systemCode`, and kinds as those of `fs`.
   */
  async copyIn(hostPath: string, guestPath: string, options?: CopyOptions): Promise<void> {
    const box = { fs: this.fs, service: this.#files };
    await this.#backend.busy(copyIn(box, hostPath, guestPath, parseCopyOptions(options)));
  }

  /**
   * Copies a file or a directory of the box to the host, by the same rules as {@link copyIn}. What is made belongs to
   * this program's user and has no set-id bits; nothing a box sends is written outside of `hostPath`.
   * @throws BoxliteError as {@link copyIn} does; `Portal` if the box sends what is no archive.
   */
  async copyOut(guestPath: string, hostPath: string, options?: CopyOptions): Promise<void> {
    const box = { fs: this.fs, service: this.#files };
    await this.#backend.busy(copyOut(box, guestPath, hostPath, parseCopyOptions(options)));
  }

  /**
   * Stops the box: its processes are killed, its disk is left clean. With `autoRemove` the box is gone
   * afterwards. A box that is not running is left alone.
   */
  async stop(options: { timeoutMs?: number | Seconds } = {}): Promise<void> {
    const { timeoutMs } = parseStopOptions(options);
    await this.#backend.busy(this.#backend.stop(timeoutMs));
  }

  /**
   * What is measured and counted of the box. Processor use is that since the call before on this handle; the
   * first one takes a moment to measure it.
   * @throws BoxliteError `NotFound` if the box is gone.
   */
  metrics(): Promise<BoxMetrics> {
    return this.#backend.busy(this.#backend.metrics());
  }

  /**
   * What the box's main command has printed, as far as it is kept, the oldest first. With `follow` it goes on
   * until the box stops. Works whichever program runs the box.
   * @throws BoxliteError `NotFound` if the box is gone; the signal's reason if it is aborted.
   */
  logs(options: { follow?: boolean; signal?: AbortSignal } = {}): AsyncIterable<LogEntry> {
    const { follow, signal } = parseLogsOptions(options);
    return this.#backend.logs({ follow, signal: signal ?? undefined });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
