/** `npm start`: boots a box for real, shows what a command in it prints, and says what it ran on. */
import { BoxCommand, BoxliteRuntime } from '../src/index.ts';

const script = `
echo "Hello from inside a box."
echo "kernel:    $(uname -sr)"
echo "processes: $(ls -d /proc/[0-9]* | wc -l), processors: $(nproc)"
echo "network:   $(ls /sys/class/net | tr '\\n' ' ')"
`;

await using runtime = new BoxliteRuntime();
const started = performance.now();
await using box = await runtime.create({ rootfs: 'builtin:base' });
const run = await box.run(new BoxCommand('sh').args(['-c', script]));
for await (const line of run.stdout() ?? []) console.log(`  ${line}`);
const result = await run.wait();
const elapsed = Math.round(performance.now() - started);

const { engine } = box.info();
const kernel = (await runtime.engines()).find((report) => report.engine === engine)?.kernel;
console.log(`\nThe command ended with ${result.exitCode}, ${elapsed} ms after create().`);
console.log(
  `It ran on the engine "${engine}" with the ${kernel?.origin} kernel ${kernel?.version}.`,
);
if (kernel?.origin === 'distribution') {
  console.log(
    'Our own kernels boot several times faster. To build them once, about 6 minutes each:',
  );
  console.log('  npm run -s boxlite -- kernel build');
}
console.log('Next:');
console.log('  npm run -s boxlite -- run builtin:base -- sh -c "echo hi"');
console.log('  npm run -s boxlite -- doctor');
process.exitCode = result.exitCode;
