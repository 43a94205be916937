/** What the runtime of a process is at each step of its life, as JSON: there is one to a process. */
import { BoxliteError, BoxliteRuntime, type EngineName } from '../../../src/index.ts';

const [how, engine] = process.argv.slice(2);
const before = BoxliteRuntime.tryDefaultRuntime();
if (how === 'init') BoxliteRuntime.initDefaultRuntime({ engine: engine as EngineName });
const runtime = BoxliteRuntime.defaultRuntime();
let again = 'made twice';
try {
  BoxliteRuntime.initDefaultRuntime({});
} catch (error) {
  again = BoxliteError.is(error) ? error.kind : String(error);
}
const box = await runtime.create({
  rootfs: 'builtin:base',
  ...(how === 'init' ? {} : { engine: engine as EngineName }),
});
const { stdout } = await (await box.run(['echo', 'hello'])).output();
const said = {
  before,
  same: runtime === BoxliteRuntime.defaultRuntime(),
  tried: runtime === BoxliteRuntime.tryDefaultRuntime(),
  again,
  stdout,
  engine: box.info().engine,
};
await box.stop();
await runtime.shutdown();
console.log(JSON.stringify(said));
