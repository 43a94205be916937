import { mkdir } from 'node:fs/promises';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { ContainerID } from '../base/ids.ts';
import type { Connection } from '../box/lite-box.ts';
import type { RunDiskTool } from '../disk/box-disk.ts';
import { PublishedPorts } from '../network/published-ports.ts';
import { processIdentity } from '../process/identity.ts';
import type { PortName } from '../spec/box-options.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import { BoxStatus } from '../spec/box-status.ts';
import type { ConnectionRecord } from '../spec/connection-record.ts';
import type { PublishedPort } from '../spec/info.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import type { BoxClaim, BoxOwner, BoxRow } from '../store/box-row.ts';
import { type Booted, boot } from './boot.ts';
import { BoxUplink } from './box-uplink.ts';
import { dialThrough } from './dial.ts';
import { jailedDiskTools } from './disk-tools.ts';
import { GuestClock } from './guest-clock.ts';
import type { Home } from './home.ts';
import { exitReasonOf, MainCommand } from './main-command.ts';
import { describeHolder } from './port-holder.ts';
import type { RootImage } from './root-image.ts';
import { openSecrets } from './secret-seal.ts';
import { vmStage } from './vm.ts';
import type { Providers } from './volumes.ts';

/** How long a box may take to clean up when nothing else is said. */
const STOP_TIMEOUT_MS = 10_000;
/** What the agent gets of that in any case when the main command has taken it all. */
const CLEAN_TIMEOUT_MS = 2_000;

/** What owning a box takes. */
export interface OwnBoxOptions {
  readonly home: Home;
  /** As claimed. */
  readonly row: BoxRow;
  readonly owner: BoxOwner;
  readonly engine: BoxRow['spec']['engine'];
  readonly image: (signal?: AbortSignal) => Promise<RootImage>;
  readonly providers: Providers;
  /** Called once, when the box is nobody's any more. */
  readonly onEnded: () => void;
}

/** What passes over the network of a box of ours. */
export interface OwnTraffic {
  /** Open now. */
  readonly tcpConnections: number;
  connections(): ConnectionRecord[];
}

/**
 * A box this process owns, from its claim to its end. Every change of its status is made here, and refused
 * by the store if somebody has declared us dead meanwhile.
 */
export class OwnBox {
  readonly id: string;
  /** Resolves when the box is nobody's any more. */
  readonly ended: Promise<void>;
  readonly #options: OwnBoxOptions;
  readonly #end: () => void;
  #claim: BoxClaim;
  readonly #ports: PublishedPorts;
  #booted: Booted | null = null;
  #network: BoxUplink | null = null;
  #clock: GuestClock | null = null;
  #main: MainCommand | null = null;
  #stopping: Promise<void> | null = null;
  /** Those who want this program to go on while the box runs. */
  readonly #holders = new Set<object>();

  constructor(options: OwnBoxOptions) {
    this.#options = options;
    this.#claim = options.row.claim;
    this.id = options.row.id.asStr();
    this.#ports = new PublishedPorts(async (port) => {
      const { Running, Stopping } = BoxStatus;
      const running = options.home.store.boxes.list({ status: [Running, Stopping] });
      return describeHolder(port, running);
    });
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise.then(options.onEnded);
    this.#end = ended.resolve;
  }

  /** Boots it. On failure the claim is given back. @throws BoxliteError what {@link boot} throws */
  async boot(signal?: AbortSignal): Promise<void> {
    const { home, row, engine, image, providers } = this.#options;
    const started = performance.now();
    try {
      const spec = openSecrets(home.directory, { ...row.spec, engine });
      const network = new BoxUplink(spec, this.id, home.boxDir(this.id));
      this.#network = network;
      // One that cannot be had is told before anything is made.
      for (const port of row.spec.ports) await this.#ports.publish(port);
      if (!spec.autoRemove) await mkdir(home.boxDir(this.id), { recursive: true, mode: 0o700 });
      const setupMs = performance.now() - started;
      const booted = await boot(
        {
          host: home.host,
          spec,
          hostname: this.id.toLowerCase(),
          image: (stop) => this.#image(image, stop),
          disk: (stop) => this.#openDisk(stop),
          providers,
          uplink: network.uplink,
          onTraffic: (growth) => home.count((metrics) => metrics.countBox(row.id, growth)),
          onSpawned: (pid) => this.#spawned(pid),
        },
        signal,
      );
      await this.#running(booted);
      const { engineMs, imageMs, diskMs, agentMs, containerMs } = booted.timings;
      const durations = {
        totalCreateDurationMs: performance.now() - started,
        guestBootDurationMs: agentMs,
        stageFilesystemSetupMs: setupMs,
        stageImagePrepareMs: imageMs,
        stageGuestRootfsMs: engineMs,
        stageBoxConfigMs: diskMs,
        stageBoxSpawnMs: agentMs,
        stageContainerInitMs: containerMs,
      };
      home.count((metrics) => metrics.timeBox(row.id, durations));
      await this.#startMain(booted, signal);
    } catch (error) {
      // Why it does not start counts more than that this could not be written down.
      await this.#giveBack().catch(() => undefined);
      throw error;
    }
  }

  /** The wire to it. @throws BoxliteError `InvalidState` if it does not run. */
  connection(): Connection {
    const { vm, config } = this.#whileRunning();
    this.#clock?.check();
    return { channel: vm.portal.channel, image: config };
  }

  /**
   * What the box may reach from now on, until it stops.
   * @throws BoxliteError `InvalidState` if its network is disabled or it does not run.
   */
  setRules(rules: readonly NetworkRule[]): void {
    const { network } = this.#whileRunning();
    if (network === null || this.#network === null) {
      throw new BoxliteError('InvalidState', `The network of the box ${this.id} is disabled`);
    }
    this.#network.setRules(rules);
  }

  /** Its connections, and in the store what has passed; null if it does not run or has no network. */
  traffic(): OwnTraffic | null {
    const network = this.#stopping === null ? (this.#booted?.network ?? null) : null;
    if (network === null) return null;
    network.settle();
    const { tcpConnections } = network.stack.counts;
    return { tcpConnections, connections: () => network.stack.connections() };
  }

  /** Resolves when what the network refused so far can be read. */
  async networkLogged(): Promise<void> {
    await this.#network?.logged();
  }

  /** Listens for another port of it. @throws BoxliteError `Network`; `InvalidState` if it does not run */
  async publish(port: PortMapping): Promise<PublishedPort> {
    this.connection();
    if (this.#options.row.spec.network.mode === 'disabled') {
      throw new BoxliteError(
        'InvalidState',
        `Cannot publish a port of the box ${this.id}: its network is disabled`,
      );
    }
    const published = await this.#ports.publish(port);
    this.#recordPorts();
    return published;
  }

  /** Stops listening for a port of it. @throws BoxliteError `NotFound`; `InvalidState` if it does not run */
  async unpublish(port: PortName): Promise<void> {
    this.connection();
    await this.#ports.unpublish(port);
    this.#recordPorts();
  }

  /** Whether it is on its way to being nobody's. */
  get ending(): boolean {
    return this.#stopping !== null;
  }

  /** Stops it, and removes it if that is what stopping means for it. Idempotent. */
  stop(timeoutMs: number | null): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs ?? STOP_TIMEOUT_MS, 'stopped');
    return this.#stopping;
  }

  /** A running box keeps this program from ending only while somebody wants it to. */
  holdFor(who: object, on: boolean): void {
    if (on) this.#holders.add(who);
    else this.#holders.delete(who);
    this.#booted?.vm.process.keepAlive(this.#holders.size > 0);
  }

  /** A box that has not started after all is nobody's. */
  async #giveBack(): Promise<void> {
    const { home } = this.#options;
    home.count((metrics) => metrics.count({ boxesFailedTotal: 1 }));
    try {
      await this.#ports[Symbol.asyncDispose]();
      await this.#network?.[Symbol.asyncDispose]();
      home.store.boxes.change(this.#claim, { vmm: null });
      home.store.boxes.release(this.#claim);
    } finally {
      this.#end();
    }
  }

  #whileRunning(): Booted {
    if (this.#booted !== null && this.#stopping === null) return this.#booted;
    throw new BoxliteError('InvalidState', `The box ${this.id} does not run`);
  }

  async #running(booted: Booted): Promise<void> {
    const { boxes } = this.#options.home.store;
    await using unrecorded = new AsyncDisposableStack();
    unrecorded.use(booted.resources);
    const changes = {
      engine: booted.engine.name,
      containerId: new ContainerID(),
      ports: this.#ports.list,
      exitReason: null,
      exitCode: null,
    };
    const from = [BoxStatus.Configured, BoxStatus.Stopped];
    const row = boxes.transition(this.#claim, from, BoxStatus.Running, changes);
    if (row === null) {
      throw new BoxliteError('InvalidState', `The box ${this.id} was taken away while it booted`);
    }
    unrecorded.move();
    this.#booted = booted;
    this.#ports.open(dialThrough(booted.vm.portal.channel));
    this.#clock = new GuestClock((time) => {
      // A box that does not hear of it is lost, which is seen elsewhere.
      booted.vm.portal.ask({ service: 'clock', time }).catch(() => undefined);
    });
    booted.vm.process.keepAlive(this.#holders.size > 0);
    void booted.vm.lost.then((reason) => this.#stopByItself(0, reason.message));
  }

  /** A box with a main command ends with it. One whose main command cannot be run ends at once. */
  async #startMain(booted: Booted, signal?: AbortSignal): Promise<void> {
    const starting = {};
    this.holdFor(starting, true);
    try {
      const { vm, timeoutMs } = booted;
      const work = Promise.allSettled([this.#runMain(booted)]);
      const [main] = await vmStage(vm, 'starting its command', work, { timeoutMs, signal });
      if (main.status === 'rejected') throw main.reason;
      this.#main = main.value;
    } catch (error) {
      const timeoutMs = signal?.aborted === true ? CLEAN_TIMEOUT_MS : STOP_TIMEOUT_MS;
      this.#stopByItself(timeoutMs, messageOf(error));
      await this.#stopping?.catch(() => undefined);
      throw error;
    } finally {
      this.holdFor(starting, false);
    }
    void this.#main?.ended.then((result) => {
      // A lost box is stopped by whoever sees that it is lost.
      if (result !== null) this.#stopByItself(STOP_TIMEOUT_MS, exitReasonOf(result));
    });
  }

  /** The command runs in a box whose programs trust it already. */
  async #runMain({ vm, config }: Booted): Promise<MainCommand | null> {
    const { home, row } = this.#options;
    const { channel } = vm.portal;
    const authority = row.spec.secrets.length > 0 ? this.#network?.authority : undefined;
    if (authority !== undefined) {
      const { trustAuthority } = await import('./trust-store.ts');
      await trustAuthority(channel, authority);
    }
    const hostname = this.id.toLowerCase();
    const boxDir = home.boxDir(this.id);
    return await MainCommand.start({ channel, spec: row.spec, config, hostname, boxDir });
  }

  #recordPorts(): void {
    this.#options.home.store.boxes.change(this.#claim, { ports: this.#ports.list });
  }

  /** From here on others can find the VMM, whatever becomes of us. */
  async #spawned(pid: number): Promise<void> {
    const vmm = await processIdentity(pid);
    this.#options.home.store.boxes.change(this.#claim, { vmm });
  }

  async #image(image: OwnBoxOptions['image'], signal?: AbortSignal): Promise<RootImage> {
    const found = await image(signal);
    this.#options.home.store.boxes.change(this.#claim, { imageDisk: found.stored });
    return found;
  }

  /** A box that is removed when it stops has a disk without a name: nothing of it can be left behind. */
  async #openDisk(signal?: AbortSignal) {
    const { home, row } = this.#options;
    const { spec } = row;
    if (spec.autoRemove) return home.disks.create({ unnamedIn: home.boxesDir }, spec.diskSizeGb);
    const path = home.boxDisk(this.id);
    return (
      (await home.disks.reopen(path, spec.diskSizeGb, this.#diskTools(signal))) ??
      home.disks.create({ path }, spec.diskSizeGb)
    );
  }

  #diskTools(signal?: AbortSignal): RunDiskTool {
    const { security } = this.#options.row.spec;
    const boxId = this.id.toLowerCase();
    return jailedDiskTools(this.#options.home.host, { security, boxId, signal });
  }

  /** Stops it when nobody has asked for that, and nobody waits for it. */
  #stopByItself(timeoutMs: number, why: string): void {
    this.#stopping ??= this.#stop(timeoutMs, why);
    // A failure to write it down is told to whoever stops it after that.
    this.#stopping.catch(() => undefined);
  }

  async #stop(timeoutMs: number, why: string): Promise<void> {
    const booted = this.#booted;
    if (booted === null) return;
    this.holdFor(this, true);
    try {
      await this.#shutDown(booted, timeoutMs);
      await this.#recordEnd(why);
    } finally {
      this.#booted = null;
      this.#end();
    }
  }

  /** Ends all that runs of it, whatever else cannot be done. */
  async #shutDown(booted: Booted, timeoutMs: number): Promise<void> {
    this.#clock?.[Symbol.dispose]();
    await using left = new AsyncDisposableStack();
    if (this.#network !== null) left.use(this.#network);
    left.use(this.#ports);
    left.use(booted.resources);
    this.#showStopping();
    const reason = new BoxliteError('InvalidState', `The box ${this.id} was stopped`);
    const started = performance.now();
    await this.#ports.stopListening();
    await this.#main?.stop(timeoutMs);
    const rest = timeoutMs - (performance.now() - started);
    await booted.vm.shutDown(Math.max(rest, Math.min(timeoutMs, CLEAN_TIMEOUT_MS)), reason);
  }

  #showStopping(): void {
    try {
      this.#options.home.store.boxes.transition(
        this.#claim,
        [BoxStatus.Running],
        BoxStatus.Stopping,
      );
    } catch {
      // A full disk is no reason to let it run on; the end is written down, or failed at, below.
    }
  }

  /** @throws BoxliteError `Database` if it cannot be written down */
  async #recordEnd(why: string): Promise<void> {
    const result = (await this.#main?.ended) ?? null;
    const { home, owner, row } = this.#options;
    const { Running, Stopping, Stopped } = BoxStatus;
    const next = row.spec.autoRemove ? { next: { ...owner, purpose: 'remove' as const } } : {};
    const changes = { vmm: null, exitReason: why, exitCode: result?.exitCode ?? null, ...next };
    const from = [Running, Stopping];
    const stopped = home.store.boxes.transition(this.#claim, from, Stopped, changes);
    if (row.spec.autoRemove && stopped !== null) await this.#remove(stopped.claim);
  }

  async #remove(claim: BoxClaim): Promise<void> {
    await this.#options.home.removeFiles(this.#options.row);
    this.#options.home.store.boxes.delete(claim);
  }
}
