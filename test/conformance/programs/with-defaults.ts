/** Makes a box with a runtime that has every option at its default, and says which it finds. */
import { BoxliteRuntime, type EngineName } from '../../../src/index.ts';

const [engine] = process.argv.slice(2);
await using runtime = BoxliteRuntime.withDefaults();
const box = await runtime.create(
  { rootfs: 'builtin:base', engine: engine as EngineName, autoRemove: false },
  'kept',
);
await (await box.run(['true'])).wait();
await box.stop();
console.log(JSON.stringify((await runtime.listInfo()).map(({ name }) => name)));
