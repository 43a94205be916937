/**
 * Another program that uses a home: `visitor.ts HOME ENGINE`. It does what its parent sends it, function by
 * function, and ends when the parent has nothing more to say and no box keeps it.
 */
import { BoxliteError, BoxliteRuntime, type EngineName } from '../../../src/index.ts';
import type { Visit, VisitorOrder, VisitorReport } from '../visitors.ts';

const [homeDir = '', engine = ''] = process.argv.slice(2);
const runtime = new BoxliteRuntime({ homeDir, engine: engine as EngineName });

const here: Visit = {
  runtime,
  async box(name) {
    const box = await runtime.get(name);
    if (box === null) throw new BoxliteError('NotFound', `There is no box "${name}"`);
    return box;
  },
  async shell(name, script) {
    const box = await here.box(name);
    await using execution = await box.run(['sh', '-c', script]);
    return await execution.output();
  },
};

async function report({ id, source, argument }: VisitorOrder): Promise<VisitorReport> {
  try {
    const work = new Function(`return ${source}`)() as (here: Visit, arg: unknown) => unknown;
    return { id, value: (await work(here, argument)) ?? null };
  } catch (error) {
    const kind = BoxliteError.is(error) ? error.kind : null;
    return { id, error: { kind, message: error instanceof Error ? error.message : String(error) } };
  }
}

process.on('message', (order: VisitorOrder) => {
  void report(order).then((said) => {
    if (process.connected) process.send?.(said);
  });
});
process.send?.('ready');
