import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteError } from '../base/errors.ts';
import type { BoxID } from '../base/ids.ts';
import type { ExecCounters } from '../box/execution.ts';
import type { BoxBackend, Connection, StartSpec } from '../box/lite-box.ts';
import { killTree } from '../process/tree.ts';
import type { PortName } from '../spec/box-options.ts';
import type { BoxSpec, PortMapping } from '../spec/box-spec.ts';
import type { ConnectionRecord } from '../spec/connection-record.ts';
import type { BoxInfo, PublishedPort } from '../spec/info.ts';
import type { BoxMetrics } from '../spec/metrics.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import { type BoxOwner, type BoxRow, boxInfo } from '../store/box-row.ts';
import { Attachment, type OwnerAddress, stopThere } from './attachment.ts';
import { BoxCounts } from './box-counts.ts';
import { BoxMeter } from './box-meter.ts';
import type { Home } from './home.ts';
import { readLog, readNetworkLog } from './log-reader.ts';
import { isDone } from './main-command.ts';
import type { OwnBox } from './own-box.ts';
import type { Owner } from './owner.ts';
import { recover } from './recover.ts';
import { startShim } from './shim-process.ts';

/** How often a box is looked at again while another program is on its way with it, and how long. */
const RETRY_MS = 10;
const RETRIES_MAX = 3_000;

/** What a handle goes through to its box. */
export interface BoxHandleOptions {
  readonly home: Home;
  readonly owner: Owner;
  readonly row: BoxRow;
}

/** What becomes of looking for who runs the box. */
interface Attempt {
  /** The box has been started. */
  started: boolean;
  /** Whether a box is started again that has stopped because its main command has ended. */
  readonly again: boolean;
}

/**
 * A box as one program sees it: our own if we start it, reached through its owner if somebody else has, and
 * started if nobody has. Which of these it is can change with every call.
 */
export class BoxHandle implements BoxBackend {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  readonly hostname: string;
  readonly counters: ExecCounters;
  readonly #home: Home;
  readonly #owner: Owner;
  /** As it was last seen. */
  #row: BoxRow;
  readonly #meter = new BoxMeter();
  #attachment: Attachment | null = null;
  /** The claim that the box ran under when we attached. */
  #attachedClaim = 0;
  #own: OwnBox | null = null;
  #busy = 0;

  constructor({ home, owner, row }: BoxHandleOptions) {
    this.#home = home;
    this.#owner = owner;
    this.#row = row;
    this.id = row.id;
    this.name = row.name;
    this.spec = row.spec;
    this.hostname = row.id.asStr().toLowerCase();
    this.counters = new BoxCounts(home, row.id);
  }

  info(): BoxInfo {
    return boxInfo(this.#look() ?? this.#row);
  }

  connect(signal?: AbortSignal): Promise<Connection> {
    return this.#connect({ started: false, again: false }, signal);
  }

  async start({ diskSizeGb, signal }: StartSpec): Promise<void> {
    if (diskSizeGb !== null) this.#growDisk(diskSizeGb);
    const attempt = { started: false, again: true };
    try {
      await this.#connect(attempt, signal ?? undefined);
    } catch (error) {
      // A main command may have ended the box before we got to it.
      if (!attempt.started) throw error;
    }
  }

  async metrics(): Promise<BoxMetrics> {
    const row = this.#look();
    if (row === null) throw this.#gone();
    const traffic = (await this.#owner.get(this.id.asStr()))?.traffic() ?? null;
    const measures = this.#home.look(({ metrics }) => metrics.ofBox(this.id));
    if (measures === null) throw this.#gone();
    const networkTcpConnections = traffic?.tcpConnections ?? null;
    return { ...(await this.#meter.measure(row, measures)), networkTcpConnections };
  }

  async *logs(options: { follow: boolean; signal?: AbortSignal | undefined }) {
    if (this.#look() === null) throw this.#gone();
    yield* readLog(this.#home.boxDir(this.id.asStr()), {
      goesOn: options.follow ? () => this.#isRun() : null,
      signal: options.signal,
    });
  }

  async #connect(attempt: Attempt, signal?: AbortSignal): Promise<Connection> {
    this.#home.requireOpen();
    const attachment = this.#attached();
    if (attachment !== null) return attachment.connection;
    for (let look = 0; look < RETRIES_MAX; look++) {
      signal?.throwIfAborted();
      const connection = await this.#tryConnect(attempt, signal);
      if (connection !== null) return connection;
      await sleep(RETRY_MS);
    }
    throw new BoxliteError(
      'InvalidState',
      `The box ${this.id} is being started by another program that does not come to an end with it: try again later`,
    );
  }

  async stop(timeoutMs: number | null): Promise<void> {
    // A boot that was cut short leaves the box as it was before.
    const stopped = await this.#owner.stop(this.id.asStr(), timeoutMs);
    const row = this.#look();
    if (row === null) return;
    if (row.owner !== null && !stopped) await this.#stopThere(row, timeoutMs);
    else if (row.owner === null && row.spec.autoRemove) await this.remove();
  }

  /** Forgets the box and deletes what it has. False if somebody runs it, or is about to. */
  async remove(): Promise<boolean> {
    const remover: BoxOwner = {
      ...(await this.#home.me()),
      kind: 'process',
      purpose: 'remove',
      socket: null,
    };
    const claimed = this.#home.store.boxes.claim(this.id, remover);
    if (claimed === null) return !this.#isRun();
    await this.#home.removeFiles(claimed);
    this.#home.store.boxes.delete(claimed.claim);
    this.#owner.withdraw(this.id.asStr());
    return true;
  }

  /** Ends a box that its owner does not stop: the VMM's whole tree, then its records. */
  async kill(): Promise<void> {
    await this.stop(0).catch((error: unknown) => {
      if (!BoxliteError.is(error, 'InvalidState')) throw error;
    });
    const row = this.#look();
    if (row?.vmm !== null && row?.vmm !== undefined) await killTree(row.vmm);
  }

  async publish(port: PortMapping, signal?: AbortSignal): Promise<PublishedPort> {
    await this.connect(signal);
    return (await this.#whoRunsIt(signal)).publish(port);
  }

  async unpublish(port: PortName): Promise<void> {
    await (await this.#whoRunsIt()).unpublish(port);
  }

  async setRules(rules: readonly NetworkRule[]): Promise<void> {
    await (await this.#whoRunsIt()).setRules(rules);
  }

  async connections(): Promise<readonly ConnectionRecord[]> {
    const own = await this.#owner.get(this.id.asStr());
    if (own !== null) return own.traffic()?.connections() ?? [];
    const row = this.#look();
    if (row === null) throw this.#gone();
    if (row.owner === null) return [];
    if (this.#attached() === null) await this.#attach(row, row.owner);
    return this.#attachment?.connections() ?? [];
  }

  async *events(options: { follow: boolean; signal?: AbortSignal | undefined }) {
    if (this.#look() === null) throw this.#gone();
    await this.#own?.networkLogged();
    yield* readNetworkLog(this.#home.boxDir(this.id.asStr()), {
      goesOn: options.follow ? () => this.#isRun() : null,
      signal: options.signal,
    });
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

  /** One look at the box and what follows from it; null if it is worth another look. */
  async #tryConnect(attempt: Attempt, signal?: AbortSignal): Promise<Connection | null> {
    const own = await this.#owner.get(this.id.asStr(), signal);
    if (own !== null) {
      attempt.started = true;
      return this.#hold(own);
    }
    const row = this.#look();
    if (row === null) throw this.#gone();
    if (row.owner === null && attempt.started) throw this.#overAlready(row);
    if (row.owner === null) {
      // What a box is there for may be something that must not be done twice.
      if (!attempt.again && isDone(row.exitReason)) throw this.#done(row);
      return this.#start(row, attempt, signal);
    }
    if (row.owner.purpose === 'remove') throw this.#gone();
    return this.#attach(row, row.owner, signal);
  }

  async #start(row: BoxRow, attempt: Attempt, signal?: AbortSignal): Promise<Connection | null> {
    if (row.spec.detach) {
      const image = await this.#owner.image(row, signal);
      const { directory: homeDir, host } = this.#home;
      const { cacheDir } = host.options;
      await startShim({ homeDir, id: this.id.asStr(), image }, { cacheDir, signal });
      attempt.started = true;
      return null;
    }
    const own = await this.#owner.start(row, signal);
    if (own === null) return null;
    attempt.started = true;
    return this.#hold(own);
  }

  #hold(own: OwnBox): Connection {
    this.#own = own;
    this.#keepAlive();
    return own.connection();
  }

  /** Whom we are attached to, if the box still runs there: its owner may live on without it. */
  #attached(): Attachment | null {
    const row = this.#look();
    // A box that was stopped keeps the number of its last claim, and its owner takes a moment to end.
    const runsThere =
      row !== null && row.owner !== null && row.claim.number === this.#attachedClaim;
    if (this.#attachment?.alive === true && runsThere) return this.#attachment;
    this.#attachment?.[Symbol.dispose]();
    this.#attachment = null;
    return null;
  }

  async #attach(
    { claim }: BoxRow,
    owner: BoxOwner,
    signal?: AbortSignal,
  ): Promise<Connection | null> {
    const attachment = await this.#knock(owner, signal);
    if (attachment === null) return null;
    const faster = this.#attached();
    if (faster !== null) {
      // Another call of this handle has attached meanwhile.
      attachment[Symbol.dispose]();
      return faster.connection;
    }
    this.#attachment = attachment;
    this.#attachedClaim = claim.number;
    this.#keepAlive();
    return attachment.connection;
  }

  /** Null if the owner does not answer; one that has died is cleaned up after. */
  async #knock(owner: BoxOwner, signal?: AbortSignal): Promise<Attachment | null> {
    const address = this.#addressOf(owner);
    if (address !== null) {
      const attachment = await Attachment.open(address, this.id.asStr(), signal);
      if (attachment !== null) return attachment;
    }
    await recover(this.#home);
    return null;
  }

  /** Until the box has left the owner it has: what becomes of it afterwards is another run of it. */
  async #stopThere({ claim }: BoxRow, timeoutMs: number | null): Promise<void> {
    for (let look = 0; look < RETRIES_MAX; look++) {
      const row = this.#look();
      if (row === null || row.owner === null || row.claim.number !== claim.number) return;
      const address = this.#addressOf(row.owner);
      if (address !== null) await stopThere(address, { box: this.id.asStr(), timeoutMs });
      // An owner that died, before or in the middle, has left the box to us.
      await recover(this.#home);
      if (look > 0) await sleep(RETRY_MS);
    }
    throw new BoxliteError(
      'InvalidState',
      `The box ${this.id} does not stop: the program that runs it does not answer`,
    );
  }

  /** Null if it answers nowhere. */
  #addressOf({ socket, pid }: BoxOwner): OwnerAddress | null {
    return socket === null ? null : { folder: this.#home.ownersDir, socket, pid };
  }

  /** The disk itself grows when whoever starts the box opens it. */
  #growDisk(sizeGb: number): void {
    const row = this.#look();
    if (row === null) throw this.#gone();
    const present = row.spec.diskSizeGb;
    if (sizeGb === present) return;
    if (sizeGb < present) {
      throw new BoxliteError(
        'InvalidArgument',
        `diskSizeGb: expected ${present} or more, as the disk of the box ${this.id} cannot shrink, got ${sizeGb}`,
      );
    }
    if (this.#home.store.boxes.grow(this.id, sizeGb) !== null) return;
    throw new BoxliteError(
      'InvalidState',
      `Cannot grow the disk of the box ${this.id} while it runs: stop it first`,
    );
  }

  /** Our own box, or the program that has it. @throws BoxliteError `InvalidState` if it does not run */
  async #whoRunsIt(signal?: AbortSignal): Promise<OwnBox | Attachment> {
    const own = await this.#owner.get(this.id.asStr());
    if (own !== null) return own;
    const row = this.#look();
    if (row === null) throw this.#gone();
    if (this.#attached() === null && row.owner?.purpose === 'run') {
      await this.#attach(row, row.owner, signal);
    }
    if (this.#attachment !== null) return this.#attachment;
    throw new BoxliteError('InvalidState', `The box ${this.id} does not run: start it first`);
  }

  #look(): BoxRow | null {
    const row = this.#home.look(({ boxes }) => boxes.get(this.id));
    if (row !== null) this.#row = row;
    return row;
  }

  /** Whether somebody runs it, or is about to. */
  #isRun(): boolean {
    return !this.#home.closed && this.#look()?.owner?.purpose === 'run';
  }

  #overAlready({ exitReason }: BoxRow): BoxliteError {
    return new BoxliteError(
      'InvalidState',
      `The box ${this.id} stopped as soon as it had started (${exitReason}): see its logs`,
    );
  }

  #done({ exitReason }: BoxRow): BoxliteError {
    return new BoxliteError(
      'InvalidState',
      `The box ${this.id} stopped when its command ended (${exitReason}): start it to have that run again`,
    );
  }

  #gone(): BoxliteError {
    return new BoxliteError('NotFound', `The box ${this.id} has been removed: create another one`);
  }

  #keepAlive(): void {
    this.#attachment?.keepAlive(this.#busy > 0);
    this.#own?.holdFor(this, this.#busy > 0);
  }
}
