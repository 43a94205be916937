/** Folders in which jails have their roots, for those who choose where: `chrootBase`. */
import { chown, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { hostUserFor } from '../jail/host-user.ts';
import type { SecuritySettings } from '../spec/security-settings.ts';
import { hasBoxUsers } from './box-users.ts';

/** Permissions. */
const OTHERS_ENTER = 0o001;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** For a base that we make: whoever runs VMMs has to get through. */
const BASE_MODE = 0o711;
const ROOT_MODE = 0o700;

/** The folder that is a jail's root. All that is made in it are mount points, seen full from inside alone. */
export class JailRoot implements AsyncDisposable {
  /** Its path on the host; null for a root in memory, as all are that nothing is said about. */
  readonly path: string | null;

  private constructor(path: string | null) {
    this.path = path;
  }

  /**
   * Makes `<chrootBase>/<box>`, empty, for the user the VMM runs as.
   * @throws BoxliteError `Config` if the base cannot be used, saying why.
   */
  static async create(security: SecuritySettings, box: string): Promise<JailRoot> {
    const base = baseOf(security);
    if (base === null) return new JailRoot(null);
    const dropped = hasBoxUsers();
    try {
      await mkdir(base, { recursive: true, mode: BASE_MODE });
      await requireOurs(base);
      if (dropped) await requireEntry(base);
      const path = join(base, box);
      // What is left of one that had no time to clean up.
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { mode: ROOT_MODE });
      const root = new JailRoot(path);
      if (dropped) {
        const { uid, gid } = hostUserFor(box, security);
        await chown(path, uid, gid);
      }
      return root;
    } catch (cause) {
      throw unusable(base, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.path !== null) await rm(this.path, { recursive: true, force: true });
  }
}

/** Removes what a box whose owner has died left of its root; a base that has changed since is left alone. */
export async function sweepJailRoot(security: SecuritySettings, box: string): Promise<void> {
  const base = baseOf(security);
  if (base === null) return;
  await rm(join(base, box), { recursive: true, force: true }).catch(() => undefined);
}

/** There are no other roots on systems without them. */
function baseOf({ jailerEnabled, chrootEnabled, chrootBase }: SecuritySettings): string | null {
  return jailerEnabled && chrootEnabled && process.platform === 'linux' ? chrootBase : null;
}

/** In a folder of others, or one in which they may write, a root could be exchanged under our hands. */
async function requireOurs(base: string): Promise<void> {
  const { uid, mode } = await lstat(base).then((own) =>
    own.isSymbolicLink() ? Promise.reject(new Error('it is a symbolic link')) : own,
  );
  if (uid !== process.getuid?.() && uid !== 0) throw new Error('it belongs to another user');
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    throw new Error('others may write in it (chmod go-w)');
  }
}

/** A VMM that root starts is another user, who has to reach its root. */
async function requireEntry(folder: string): Promise<void> {
  const { mode } = await stat(folder);
  if ((mode & OTHERS_ENTER) === 0) {
    throw new Error(`the user of a box cannot get through "${folder}" (chmod o+x)`);
  }
  if (dirname(folder) !== folder) await requireEntry(dirname(folder));
}

function unusable(base: string, cause: unknown): BoxliteError {
  const why = systemCode(cause) === 'ENOTDIR' ? 'it is no directory' : messageOf(cause);
  return new BoxliteError('Config', `Cannot make a jail in chrootBase "${base}": ${why}`, {
    cause,
  });
}
