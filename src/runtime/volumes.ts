/** A box's volumes: opened before it boots, mounted with its root, closed when it has stopped. */
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { Channel } from '../portal/channel.ts';
import { wholeNumber } from '../portal/control.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { VolumeMount } from '../spec/box-spec.ts';
import { ID_MAX } from '../spec/guest-values.ts';
import { missingHostPath } from '../spec/host-path.ts';
import type { VolumeFound, VolumeProvider } from '../spec/volume-provider.ts';
import { HostVolume } from '../volume/host-provider.ts';
import { VolumeServer } from '../volume/server.ts';

/** The providers a program has given a box, by path in the box. */
export type Providers = ReadonlyMap<string, VolumeProvider>;

interface OpenVolume {
  readonly mount: VolumeMount;
  readonly provider: VolumeProvider;
  readonly root: VolumeFound;
}

/** See the top of this file. */
export class Volumes implements AsyncDisposable {
  readonly #open: readonly OpenVolume[];
  readonly #servers = new Map<OpenVolume, VolumeServer>();

  private constructor(open: readonly OpenVolume[]) {
    this.#open = open;
  }

  /**
   * Opens what the volumes are of.
   * @throws BoxliteError `InvalidArgument` naming the volume that cannot be opened; `InvalidState` if its provider
   * belongs to another program.
   */
  static async open(mounts: readonly VolumeMount[], providers: Providers): Promise<Volumes> {
    await using stack = new AsyncDisposableStack();
    const open: OpenVolume[] = [];
    for (const [i, mount] of mounts.entries()) {
      const provider = stack.adopt(providerOf(mount, providers), (opened) => opened.close?.());
      open.push({ mount, provider, root: await rootOf(mount, provider, i) });
    }
    stack.move();
    // One inside of another comes after it.
    return new Volumes(open.toSorted((a, b) => (a.mount.guestPath < b.mount.guestPath ? -1 : 1)));
  }

  /**
   * Has the agent mount all of them, in one round trip. `user` is whom the files belong to in the box.
   * @throws BoxliteError `Run` if one cannot be mounted.
   */
  async mount(channel: Channel, user: string): Promise<void> {
    await Promise.all(this.#open.map((volume) => this.#mountOne(channel, volume, user)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Each provider is closed once: by its server, or here if it never got one.
    await Promise.all(
      this.#open.map((volume) => this.#servers.get(volume)?.close() ?? volume.provider.close?.()),
    );
  }

  #mountOne(channel: Channel, volume: OpenVolume, user: string): Promise<void> {
    const { mount, provider, root } = volume;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = {
      service: 'volume',
      path: mount.guestPath,
      directory: root.stat.type === 'directory' ? 1 : 0,
      readOnly: mount.readOnly ? 1 : 0,
      user,
    };
    let server: VolumeServer | null = null;
    const stream = channel.open(request, {
      accepted: (answer) => {
        server = new VolumeServer({
          provider,
          root,
          readOnly: mount.readOnly,
          owner: ownerIn(answer),
          send: async (reply) => {
            await stream.write(reply);
            return channel.backlog === 0;
          },
          consumed: (bytes) => stream.consumed(bytes),
          failed: ({ message }) => stream.reset({ code: 'EPROTO', message }),
        });
        this.#servers.set(volume, server);
        resolve();
      },
      data: (piece) => server?.receive(piece),
      closed: (reason) => {
        const why = reason === null ? 'the agent closed it' : messageOf(reason);
        reject(new BoxliteError('Run', `Cannot mount the volume "${mount.guestPath}": ${why}`));
        void server?.close();
      },
    });
    return promise;
  }
}

function providerOf({ hostPath, guestPath }: VolumeMount, providers: Providers): VolumeProvider {
  if (hostPath !== null) {
    if (process.platform === 'linux') return new HostVolume(hostPath);
    throw new BoxliteError('Unsupported', 'volumes[].hostPath: available on Linux hosts only');
  }
  const provider = providers.get(guestPath);
  if (provider !== undefined) return provider;
  throw new BoxliteError(
    'InvalidState',
    `Cannot start the box: its volume "${guestPath}" is made by the program that made the box`,
  );
}

async function rootOf(
  { hostPath, guestPath }: VolumeMount,
  provider: VolumeProvider,
  i: number,
): Promise<VolumeFound> {
  try {
    return await provider.root();
  } catch (cause) {
    const option = `volumes[${i}].hostPath`;
    if (hostPath !== null) throw missingHostPath({ option, path: hostPath }, cause);
    throw new BoxliteError('InvalidState', `The provider of the volume "${guestPath}" failed`, {
      cause,
    });
  }
}

/** Whom the agent has found the box's user to be. */
function ownerIn(answer: JsonObject) {
  return { uid: wholeNumber(answer, 'uid', ID_MAX), gid: wholeNumber(answer, 'gid', ID_MAX) };
}
