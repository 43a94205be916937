/**
 * A code interpreter for an agent: what the model wrote runs in a box, with files in and files out.
 *
 *     node examples/code-interpreter.ts
 *
 * One box serves one conversation, so that a step finds the files of the steps before it. There is no network, a step
 * has ten seconds, and what it prints is cut where the model would stop reading anyway.
 */
import { BoxCommand, BoxliteRuntime, type LiteBox } from 'boxlite';

const WORK = '/work';
const STEP_MS = 10_000;
const OUTPUT_CHARACTERS_MAX = 10_000;

/** What a step said, and the files it made or changed. */
interface StepResult {
  readonly ok: boolean;
  readonly text: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

class CodeInterpreter implements AsyncDisposable {
  readonly #box: LiteBox;

  private constructor(box: LiteBox) {
    this.#box = box;
  }

  static async start(runtime: BoxliteRuntime): Promise<CodeInterpreter> {
    const box = await runtime.create({
      rootfs: 'python:3.12-slim',
      memoryMib: 256,
      network: 'disabled',
    });
    await box.fs.mkdir(WORK, { recursive: true });
    return new CodeInterpreter(box);
  }

  async run(code: string, files: Readonly<Record<string, string>> = {}): Promise<StepResult> {
    const { fs } = this.#box;
    for (const [name, content] of Object.entries(files)) {
      await fs.writeFile(`${WORK}/${name}`, content);
    }
    const before = await this.#modified();
    const command = new BoxCommand('python3').arg('-').workingDir(WORK).timeout(STEP_MS);
    await using step = await this.#box.run(command);
    const stdin = step.stdin();
    await stdin?.writeAll(code);
    await stdin?.close();
    const { stdout, stderr, exitCode, timedOut } = await step.output();
    const after = await this.#modified();
    const changed = [...after].filter(([name, time]) => before.get(name) !== time);
    return {
      ok: exitCode === 0,
      text: timedOut ? 'It took too long.' : `${stdout}${stderr}`.slice(0, OUTPUT_CHARACTERS_MAX),
      files: new Map(
        await Promise.all(
          changed.map(async ([name]) => [name, await fs.readFile(`${WORK}/${name}`)] as const),
        ),
      ),
    };
  }

  /** When each file was last written, in nanoseconds as the box counts them. */
  async #modified(): Promise<Map<string, number>> {
    const entries = await this.#box.fs.readdir(WORK, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const times = files.map(async ({ name }) => {
      const { mtimeMs } = await this.#box.fs.stat(`${WORK}/${name}`);
      return [name, mtimeMs] as const;
    });
    return new Map(await Promise.all(times));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#box.stop();
  }
}

await using runtime = new BoxliteRuntime();
await using interpreter = await CodeInterpreter.start(runtime);

const sales = 'month,amount\nJanuary,120\nFebruary,80\nMarch,250\n';
const first = await interpreter.run(
  `
import csv, json
rows = list(csv.DictReader(open('sales.csv')))
total = sum(int(row['amount']) for row in rows)
json.dump({'total': total}, open('summary.json', 'w'))
print('The best month was', max(rows, key=lambda row: int(row['amount']))['month'])
`,
  { 'sales.csv': sales },
);
console.log(first.text.trim());
console.log('summary.json:', String(first.files.get('summary.json')));

const second = await interpreter.run(
  "import json; print(json.load(open('summary.json'))['total'] / 3)",
);
console.log('The average is', second.text.trim());

const wrong = await interpreter.run('print(undefined_name)');
console.log(
  wrong.ok
    ? 'No error?'
    : `An error for the model to read: ${wrong.text.trim().split('\n').at(-1)}`,
);
