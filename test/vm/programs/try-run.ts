/** Runs a command in a box, and prints as JSON what came of it. Arguments: engine, home. */
import { BoxliteError, BoxliteRuntime, type EngineName } from '../../../src/index.ts';

const [engine, homeDir = ''] = process.argv.slice(2);

async function tryRun() {
  try {
    await using runtime = new BoxliteRuntime({ engine: engine as EngineName, homeDir });
    await using box = await runtime.create({ rootfs: 'builtin:base' });
    const { stdout } = await (await box.run(['echo', 'hello'])).output();
    return { stdout };
  } catch (error) {
    return BoxliteError.is(error)
      ? { kind: error.kind, message: error.message }
      : { kind: null, message: String(error) };
  }
}

console.log(JSON.stringify(await tryRun()));
