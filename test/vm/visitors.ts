/** Other programs on the home of a test, which do what the test says. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BoxliteRuntime, EngineName, LiteBox } from '../../src/index.ts';
import { inTime } from './polling.ts';

const PROGRAM = fileURLToPath(new URL('programs/visitor.ts', import.meta.url));
/** Several boots one after the other, on a busy machine. */
const WORK_MS = 120_000;

/** Those that run: a test that fails leaves them. */
const visitors = new Set<Visitor>();
after(async () => {
  for (const visitor of visitors) await visitor.kill();
});

/** What a function that is sent to a visitor finds there. */
export interface Visit {
  readonly runtime: BoxliteRuntime;
  box(name: string): Promise<LiteBox>;
  shell(
    name: string,
    script: string,
  ): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }>;
}

export interface VisitorOrder {
  readonly id: number;
  readonly source: string;
  readonly argument: unknown;
}

export interface VisitorReport {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly kind: string | null; readonly message: string };
}

/** A program with a runtime of its own. It does not outlive the test. */
export class Visitor implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    visitors.add(this);
    this.#ended = once(child, 'exit').finally(() => visitors.delete(this));
    child.stderr?.on('data', (chunk) => {
      this.#stderr += String(chunk);
    });
    child.on('message', (said: VisitorReport) => this.#settle(said));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the program has ended: ${this.#stderr}`));
      }
    });
  }

  static async start(homeDir: string, engine: EngineName | 'auto'): Promise<Visitor> {
    const child = fork(PROGRAM, [homeDir, engine], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    const visitor = new Visitor(child);
    await inTime('a program', Promise.race([once(child, 'message'), visitor.#ended]));
    return visitor;
  }

  /** Has the program run a function, of which only the text is sent: it sees nothing but its arguments. */
  async does<A, R>(work: (here: Visit, argument: A) => R | Promise<R>, argument?: A): Promise<R> {
    const id = this.#waiting.size;
    const answer = Promise.withResolvers<unknown>();
    answer.promise.catch(() => undefined);
    this.#waiting.set(id, answer);
    this.#child.send({ id, source: String(work), argument } satisfies VisitorOrder, (error) => {
      if (error !== null) answer.reject(error);
    });
    return (await inTime('a program', answer.promise, WORK_MS)) as R;
  }

  shell(name: string, script: string) {
    const order = { name, script };
    return this.does((here, { name, script }) => here.shell(name, script), order);
  }

  /** It ends by itself, as a program does that has come to its end. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await inTime('the end of a program', this.#ended);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #settle({ id, value, error }: VisitorReport): void {
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(Object.assign(new Error(error.message), { kind: error.kind }));
  }
}
