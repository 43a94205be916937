import type { BoxOwner, BoxRow } from '../store/box-row.ts';
import type { Home } from './home.ts';
import { OwnBox } from './own-box.ts';
import { ownerSocketName } from './owner-address.ts';
import { OwnerServer } from './owner-server.ts';
import type { RootImage } from './root-image.ts';

/** What an owner needs to know beyond its home. */
export interface OwnerOptions {
  readonly home: Home;
  readonly kind: BoxOwner['kind'];
  readonly engine: BoxRow['spec']['engine'];
  readonly image: (row: BoxRow, signal?: AbortSignal) => Promise<RootImage>;
}

/** The boxes of this runtime, and the socket where it answers for them. */
export class Owner implements AsyncDisposable {
  readonly #options: OwnerOptions;
  readonly #boxes = new Map<string, { box: OwnBox; ready: Promise<void> }>();
  #server: Promise<OwnerServer> | null = null;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  /** The image of a box, found or made. */
  image(row: BoxRow, signal?: AbortSignal): Promise<RootImage> {
    return this.#options.image(row, signal);
  }

  /** The box if it is one of ours and has booted; waits while it boots. */
  async get(id: string): Promise<OwnBox | null> {
    const own = this.#boxes.get(id);
    if (own === undefined) return null;
    await own.ready;
    return own.box;
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
    const claimed = home.store.boxes.claim(row.id, owner);
    if (claimed === null) return null;
    const id = row.id.asStr();
    const box = new OwnBox({
      home,
      row: claimed,
      owner,
      engine: row.spec.engine ?? engine,
      image: (stop) => image(row, stop),
      onEnded: () => this.#boxes.delete(id),
    });
    const ready = box.boot(signal);
    this.#boxes.set(id, { box, ready });
    await ready;
    return box;
  }

  /** Stops every box of ours. */
  async stopAll(): Promise<void> {
    const boxes = [...this.#boxes.values()];
    await Promise.all(
      boxes.map(async ({ box, ready }) => {
        await ready.catch(() => undefined);
        await box.stop(null);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll();
    const server = await this.#server?.catch(() => null);
    await server?.[Symbol.asyncDispose]();
  }

  #listen(): Promise<OwnerServer> {
    this.#server ??= this.#options.home
      .me()
      .then((me) =>
        OwnerServer.listen(this.#options.home.ownersDir, ownerSocketName(me), (id) => this.get(id)),
      );
    this.#server.catch(() => {
      this.#server = null;
    });
    return this.#server;
  }
}
