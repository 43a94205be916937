import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { Turn } from '../portal/channel.ts';
import { Portal } from '../portal/connect.ts';
import { printable } from '../portal/control.ts';
import { VmmProcess } from '../process/vmm.ts';
import type { LaunchPlan, Mailbox, ProcessExit } from '../spec/parts.ts';
import { lastWords } from './last-words.ts';
import { withTimeout } from './with-timeout.ts';

/** Lines of the console an error shows. */
const CONSOLE_LINES = 20;
/** A VMM that ends closes its wire a moment before it can be said how it ended. */
const EXIT_GRACE_MS = 500;
/** Told to the guest. */
const BUILD = 'boxlite';

/** What starting a VM needs besides its plan. */
export interface VmOptions {
  readonly mailbox: Mailbox | null;
  /** When the agent must have spoken, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onSpawned?: ((pid: number) => Promise<void>) | undefined;
  /** What the plan is to restore, absent if nothing. Its guest waits to be spoken to. */
  readonly snapshot?: Readable | undefined;
  /** When the guest is spoken to. Default: once it has spoken. */
  readonly turn?: Turn | undefined;
}

/** A VM whose agent has said hello. */
export class Vm {
  readonly process: VmmProcess;
  readonly portal: Portal;
  /** Resolves with the reason when the VM is gone or has broken the protocol; never rejects. */
  readonly lost: Promise<BoxliteError>;

  constructor(process: VmmProcess, mailbox: Mailbox | null, turn?: Turn) {
    this.process = process;
    const broken = Promise.withResolvers<BoxliteError>();
    const ended = process.exited.then((exit) => describeEnd(exit, process.consoleTail));
    this.portal = new Portal(process.wire, {
      mailbox,
      build: BUILD,
      turn,
      onFailed: broken.resolve,
      whyEnded: () => withTimeout(ended, EXIT_GRACE_MS, 'the VMM closed it'),
    });
    this.lost = Promise.race([
      broken.promise,
      ended.then((how) => new BoxliteError('Engine', how)),
    ]);
    // Whatever comes first, the other follows: no process without a wire, no waiter without a process.
    void broken.promise.then(() => process.kill());
    void ended.then((how) =>
      this.portal.close(new BoxliteError('Engine', `The box is gone: ${how}`)),
    );
  }

  /** Ends it at once; resolves when nothing of it runs any more. */
  async kill(reason: BoxliteError): Promise<void> {
    this.portal.close(reason);
    await this.process.kill();
  }

  /** Lets the agent clean up, then ends it. False if it did not answer in time. */
  async shutDown(timeoutMs: number, reason: BoxliteError): Promise<boolean> {
    const asked = this.portal.ask({ service: 'shutdown' }).then(
      () => true,
      () => false,
    );
    const clean = await withTimeout(asked, timeoutMs, false);
    // What is left for the kernel to do is to stop; the disks are clean.
    await this.kill(reason);
    return clean;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill(new BoxliteError('InvalidState', 'The box was stopped'));
  }
}

/**
 * Starts a VMM and waits for its agent. A failure names the stage and shows the console's end, and leaves
 * nothing behind.
 * @throws BoxliteError `Engine`; the signal's reason if it was aborted.
 */
export async function startVm(plan: LaunchPlan, options: VmOptions): Promise<Vm> {
  options.signal?.throwIfAborted();
  const { mailbox, snapshot } = options;
  const turn = snapshot === undefined ? options.turn : 'first';
  const vm = new Vm(await VmmProcess.start(plan), mailbox, turn);
  try {
    if (snapshot !== undefined) restore(vm, snapshot);
    await options.onSpawned?.(vm.process.pid);
    await vmStage(vm, 'waiting for the agent', vm.portal.hello, options);
    return vm;
  } catch (error) {
    await vm[Symbol.asyncDispose]();
    throw error;
  }
}

/** Of what goes wrong here, the VMM itself tells: it ends. */
function restore({ process }: Vm, snapshot: Readable): void {
  const [socket] = process.sockets;
  if (socket === undefined) throw new BoxliteError('Internal', 'The plan restores no snapshot');
  pipeline(snapshot, socket).catch(() => undefined);
}

/** Waits for `work` unless the VM is lost, the time is up or the signal aborts first. */
export async function vmStage<T>(
  vm: Vm,
  stage: string,
  work: Promise<T>,
  { timeoutMs, signal }: Pick<VmOptions, 'timeoutMs' | 'signal'>,
): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    deadline.reject(new Error(`nothing came within ${timeoutMs} ms (see bootTimeoutMs)`));
  }, timeoutMs);
  const onAbort = () => deadline.reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    const lost = vm.lost.then((reason) => Promise.reject(reason));
    return await Promise.race([work, lost, deadline.promise]);
  } catch (cause) {
    signal?.throwIfAborted();
    throw await stageError(vm, stage, cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function stageError(vm: Vm, stage: string, cause: unknown): Promise<BoxliteError> {
  // A VMM that has just died may still have its last words in the pipe; one that has not is ended here.
  await vm.process.kill();
  const lines = printable(vm.process.consoleTail.replaceAll('\r\n', '\n'))
    .trimEnd()
    .split('\n')
    .slice(-CONSOLE_LINES);
  const tail = lines.join('\n').trim();
  const console = tail === '' ? 'Its console is empty' : `Its console ends with:\n${tail}`;
  return new BoxliteError('Engine', `Cannot boot, ${stage}: ${messageOf(cause)}. ${console}`, {
    cause,
  });
}

function describeEnd({ code, signal }: ProcessExit, console: string): string {
  const how =
    signal === null ? `the VMM ended with status ${code}` : `the VMM was ended by ${signal}`;
  const said = lastWords(console);
  return said === null ? how : `${how}; its guest said "${said}"`;
}
