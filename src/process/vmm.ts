import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { LaunchPlan, ProcessExit } from '../spec/parts.ts';
import { processIdentity } from './identity.ts';
import { Tail } from './output.ts';
import { processTable } from './process-table.ts';
import { killTree } from './tree.ts';

/** Its descriptor. */
const WIRE = 3;

/** What is kept of a console: enough for a kernel's last words. */
const CONSOLE_BYTES_MAX = 64 * 1024;

/** How long after a VMM's outermost process has ended the rest of it may hold its streams. */
const REMAINS_MS = 100;

/**
 * Ends what is left of a session that `leader` began. bubblewrap's inner process waits for the outer one while the
 * jail is made, also if that has been killed; it is in a session of its own from when the VMM runs.
 */
async function endSession(leader: number): Promise<void> {
  for (const { pid } of await processTable.session(leader)) {
    const left = pid === leader ? null : await processIdentity(pid);
    if (left !== null) await killTree(left).catch(() => undefined);
  }
}

/** Of some failures Node tells by an event, of others, such as arguments that are too long, at once. */
function spawned(plan: LaunchPlan, cannot: (cause: unknown) => BoxliteError): ChildProcess {
  try {
    return spawn(plan.executable, plan.args, {
      stdio: [
        'ignore',
        'pipe',
        'pipe',
        'pipe',
        ...plan.descriptors.map((inherited) => (inherited === 'socket' ? 'pipe' : inherited)),
      ],
      env: { ...plan.env },
      detached: true,
      cwd: '/',
      ...plan.user,
    });
  } catch (cause) {
    throw cannot(cause);
  }
}

/** A VMM that has been started: its wire, its console, its end. */
export class VmmProcess {
  /** The host's end of the wire. */
  readonly wire: Socket;
  /** The host's ends of the sockets that its plan names. */
  readonly sockets: readonly Socket[];
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #console = new Tail(CONSOLE_BYTES_MAX);
  #killing: Promise<void> | null = null;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    const [wire, ...sockets] = child.stdio.slice(WIRE).filter((stream) => stream !== null);
    this.wire = wire as Socket;
    this.sockets = sockets as Socket[];
    // Who uses one learns from the process's end why it has broken.
    for (const socket of this.sockets) socket.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    child.once('exit', () => this.#endRemains());
    for (const stream of [child.stdout, child.stderr]) this.#keep(stream);
  }

  /**
   * Starts a VMM. It is in a session of its own, so that a Ctrl-C in the terminal is the owner's to handle.
   * @throws BoxliteError `Engine` if the program cannot be executed.
   */
  static async start(plan: LaunchPlan): Promise<VmmProcess> {
    const cannot = (cause: unknown) =>
      new BoxliteError('Engine', `Cannot execute "${plan.executable}": ${messageOf(cause)}`, {
        cause,
      });
    const child = spawned(plan, cannot);
    const { promise, resolve, reject } = Promise.withResolvers<VmmProcess>();
    child.once('error', (cause) => reject(cannot(cause)));
    if (child.pid !== undefined) resolve(new VmmProcess(child, child.pid));
    return await promise;
  }

  /** The console's last bytes as text: the guest's, with whatever it has put there. */
  get consoleTail(): string {
    return this.#console.toString();
  }

  /** Whether a running VMM keeps this program from ending. */
  keepAlive(on: boolean): void {
    const method = on ? 'ref' : 'unref';
    this.#child[method]();
    this.wire[method]();
    // A socket without a handle only remembers to do it, each time.
    for (const socket of this.sockets) if (!socket.destroyed) socket[method]();
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) (stream as Socket)[method]();
    }
  }

  /** Ends it now, and everything it started with it. Idempotent. */
  kill(): Promise<ProcessExit> {
    this.keepAlive(true);
    this.#killing ??= this.#killTree();
    return this.exited;
  }

  /**
   * All of it ends with its outermost process, unless that was killed by others at a bad moment. What has come over the wire
   * by then is read first: a busy event loop looks at its timers before its sockets.
   */
  #endRemains(): void {
    const timer = setTimeout(() => {
      setImmediate(() => {
        for (const stream of [this.wire, ...this.sockets]) stream.destroy();
      });
      void endSession(this.pid);
    }, REMAINS_MS);
    void this.exited.then(() => clearTimeout(timer));
  }

  /** As a tree: a jail that is only just being made does not yet end with its parent. */
  async #killTree(): Promise<void> {
    const root = await processIdentity(this.pid);
    // What does not end has been sent the signal: `exited` tells when it has.
    if (root !== null) await killTree(root).catch(() => undefined);
  }

  #keep(stream: Readable | null): void {
    stream?.on('data', (chunk: Buffer) => this.#console.push(chunk));
    stream?.on('error', () => undefined);
  }
}
