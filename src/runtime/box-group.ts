import { BoxliteError, messageOf } from '../base/errors.ts';
import { groupSettings, needsGroup } from '../jail/control-group.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import { ControlGroup } from './control-groups.ts';
import type { Host } from './host.ts';

/** What limits all of a box's VMM at once, where the host lets us; a box without goes by its other limits. */
export class BoxGroup implements AsyncDisposable {
  readonly #host: Host;
  readonly #box: string;
  readonly #spec: BoxSpec;
  #holding: Promise<ControlGroup | null> = Promise.resolve(null);

  /** For the box of that id, as its spec says. */
  constructor(host: Host, box: string, spec: BoxSpec) {
    this.#host = host;
    this.#box = box;
    this.#spec = spec;
  }

  /** Begins to hold a VMM that has just been started, while it boots. */
  hold(pid: number): void {
    this.#holding = this.#hold(pid);
    // Whoever wants to know asks below.
    this.#holding.catch(() => undefined);
  }

  /**
   * Resolves when it is held, with all that it has started. No command of the box may run before.
   * @throws BoxliteError `Config` if a limit was asked for that nothing else can set.
   */
  get held(): Promise<unknown> {
    return this.#holding;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const group = await this.#holding.catch(() => null);
    await group?.[Symbol.asyncDispose]();
  }

  async #hold(pid: number): Promise<ControlGroup | null> {
    const { security } = this.#spec;
    const settings = groupSettings(this.#spec, security);
    if (settings.length === 0) return null;
    const place = this.#host.groupPlace;
    const missing = needsGroup(security, process.getuid?.() === 0);
    if (missing && !('folder' in place && place.controllers.has('pids'))) {
      throw ungrouped('reason' in place ? place.reason : 'it does not count processes');
    }
    if ('reason' in place) return null;
    try {
      return await ControlGroup.around(pid, { place, box: this.#box, settings });
    } catch (error) {
      if (missing) throw ungrouped(messageOf(error));
      return null;
    }
  }
}

function ungrouped(reason: string): BoxliteError {
  return new BoxliteError(
    'Config',
    'security.resourceLimits.maxProcesses: without the jailer, processes that root starts are counted by a ' +
      `control group only, and there is none (${reason}); leave the jailer on, or the limit out`,
  );
}
