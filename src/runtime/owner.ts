import { BoxliteError } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import type { BoxOwner, BoxRow } from '../store/box-row.ts';
import type { Home } from './home.ts';
import { OwnBox } from './own-box.ts';
import { ownerSocketName } from './owner-address.ts';
import { OwnerServer } from './owner-server.ts';
import type { RootImage } from './root-image.ts';
import { SharedWork } from './shared-work.ts';
import type { Providers } from './volumes.ts';

/** What an owner needs to know beyond its home. */
export interface OwnerOptions {
  readonly home: Home;
  readonly kind: BoxOwner['kind'];
  readonly engine: BoxRow['spec']['engine'];
  readonly image: (row: BoxRow, signal?: AbortSignal) => Promise<RootImage>;
}

/** A box of ours. */
interface OwnEntry {
  readonly box: OwnBox;
  readonly boot: SharedWork<void>;
}

/** The boxes of this runtime, and the socket where it answers for them. Disposing of it stops them. */
export class Owner implements AsyncDisposable {
  readonly #options: OwnerOptions;
  readonly #boxes = new Map<string, OwnEntry>();
  readonly #providers = new Map<string, Providers>();
  readonly #unstarted = new Set<string>();
  #server: Promise<OwnerServer> | null = null;
  #closed = false;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  /**
   * A box has been made here: keeps what a program has given for its volumes until it is removed, and remembers it
   * until it is started if it goes with its maker.
   */
  made({ id, spec }: BoxRow, providers: Providers): void {
    const key = id.asStr();
    if (providers.size > 0) this.#providers.set(key, providers);
    if (spec.autoRemove) this.#unstarted.add(key);
  }

  /** The box has been removed. */
  withdraw(id: string): void {
    this.#providers.delete(id);
    this.#unstarted.delete(id);
  }

  /** Boxes made here that go with their maker, and that nobody here has started. */
  get unstarted(): readonly string[] {
    return [...this.#unstarted];
  }

  /** The image of a box, found or made. */
  image(row: BoxRow, signal?: AbortSignal): Promise<RootImage> {
    return this.#options.image(row, signal);
  }

  /** The box if it is one of ours and has booted; waits while it boots. @throws BoxliteError what booting throws */
  async get(id: string, signal?: AbortSignal): Promise<OwnBox | null> {
    const own = this.#boxes.get(id);
    if (own === undefined) return null;
    if (own.boot.cancelled || own.box.ending) {
      // It is being stopped, or has just died; it can be started again once that is over.
      await orAborted(own.box.ended, signal);
      return null;
    }
    await own.boot.wait(signal);
    return own.box;
  }

  /** Stops the box if it is one of ours, whether it runs or boots. False if it is not. */
  async stop(id: string, timeoutMs: number | null): Promise<boolean> {
    const own = this.#boxes.get(id);
    if (own === undefined) return false;
    await own.boot.cancel(new BoxliteError('InvalidState', `The box ${id} was stopped`));
    await own.box.stop(timeoutMs);
    return true;
  }

  /**
   * Claims a box and boots it. Null if somebody else has claimed it first.
   * @throws BoxliteError what booting throws
   */
  async start(row: BoxRow, signal?: AbortSignal): Promise<OwnBox | null> {
    const { home, kind, engine, image } = this.#options;
    // Whoever sees the claim must find us listening.
    const { socket } = await this.#listen();
    const owner: BoxOwner = { ...(await home.me()), kind, purpose: 'run', socket };
    // From here to its being among our boxes nothing else can happen.
    if (this.#closed) throw new BoxliteError('InvalidState', 'The runtime was shut down');
    const claimed = home.store.boxes.claim(row.id, owner);
    if (claimed === null) return null;
    const id = row.id.asStr();
    this.#unstarted.delete(id);
    const box = new OwnBox({
      home,
      row: claimed,
      owner,
      engine: row.spec.engine ?? engine,
      image: (stop) => image(row, stop),
      providers: this.#providers.get(id) ?? new Map(),
      onEnded: () => {
        this.#boxes.delete(id);
        if (row.spec.autoRemove) this.#providers.delete(id);
      },
    });
    const boot = new SharedWork((stop) => box.boot(stop));
    this.#boxes.set(id, { box, boot });
    await boot.wait(signal);
    return box;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#boxes.keys()].map((id) => this.stop(id, null)));
    const server = await this.#server?.catch(() => null);
    await server?.[Symbol.asyncDispose]();
  }

  #listen(): Promise<OwnerServer> {
    this.#server ??= this.#options.home
      .me()
      .then((me) => OwnerServer.listen(this.#options.home.ownersDir, ownerSocketName(me), this));
    this.#server.catch(() => {
      this.#server = null;
    });
    return this.#server;
  }
}
