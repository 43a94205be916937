/** Has two boxes without a jail: `ENGINE HOME`. */
import { BoxliteRuntime, type EngineName, SecurityOptions } from '../../../src/index.ts';

const [, , engine, homeDir = ''] = process.argv;
await using runtime = new BoxliteRuntime({ homeDir, engine: engine as EngineName });
const security = SecurityOptions.builder().jailerEnabled(false).allowUnjailed(true).build();
for (let i = 0; i < 2; i++) {
  await using box = await runtime.create({ rootfs: 'builtin:base', advanced: { security } });
  const run = await box.run(['echo', `box ${i}`]);
  process.stdout.write((await run.output()).stdout);
}
