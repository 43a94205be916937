import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import {
  BoxCommand,
  BoxID,
  BoxIDMint,
  BoxliteError,
  type BoxliteErrorKind,
  BoxliteRuntime,
  type BoxOptions,
  Bytes,
  boxliteErrorKinds,
  ContainerID,
  ImageRegistry,
  type LiteBox,
  Seconds,
  SecurityOptions,
} from '../../src/index.ts';
import { TestRegistry } from '../image/registry-fixture.ts';
import { forEachEngine, shell, TestRuntime } from '../vm/fixture.ts';
import { inTime } from '../vm/polling.ts';
import { readProcess } from '../vm/processes.ts';
import { LoggingRegistry } from './logging-registry.ts';
import { runProgram } from './programs/run.ts';
import { prove } from './prove.ts';
import { pythonImage } from './python-image.ts';
import { setColumns } from './stored-box.ts';

const ID = 'aB3cD4eF5gH6';
const ULID = '01HJK4TNRPQSXYZ8WM6NCVT9R5';

describe('small types', () => {
  prove('Bytes.fromBytes', () => assert.equal(Bytes.fromBytes(1_000_000).asBytes(), 1_000_000));
  prove('Bytes.fromKib', () => assert.equal(Bytes.fromKib(512).asBytes(), 512 * 1024));
  prove('Bytes.fromMib', () => assert.equal(Bytes.fromMib(128).asBytes(), 128 * 1024 ** 2));
  prove('Bytes.fromGib', () => assert.equal(Bytes.fromGib(2).asBytes(), 2 * 1024 ** 3));
  prove('Bytes.asBytes', () => assert.equal(Bytes.fromKib(1).asBytes(), 1024));
  prove('Bytes.asKib', () => assert.equal(Bytes.fromMib(1).asKib(), 1024));
  prove('Bytes.asMib', () => assert.equal(Bytes.fromGib(1).asMib(), 1024));
  prove('Bytes.toString', () => assert.equal(`${Bytes.fromMib(512)}`, '512 MiB'));
  prove('Bytes.toJSON', () => assert.equal(JSON.stringify([Bytes.fromKib(1)]), '[1024]'));

  prove('Seconds.fromSeconds', () => assert.equal(Seconds.fromSeconds(30).asSeconds(), 30));
  prove('Seconds.fromMinutes', () => assert.equal(Seconds.fromMinutes(5).asSeconds(), 300));
  prove('Seconds.fromHours', () => assert.equal(Seconds.fromHours(1).asSeconds(), 3600));
  prove('Seconds.asSeconds', () => assert.equal(Seconds.fromSeconds(90).asSeconds(), 90));
  prove('Seconds.asMinutes', () => assert.equal(Seconds.fromHours(1).asMinutes(), 60));
  prove('Seconds.toString', () => assert.equal(`${Seconds.fromMinutes(30)}`, '30 minutes'));
  prove('Seconds.toJSON', () => assert.equal(JSON.stringify([Seconds.fromMinutes(1)]), '[60]'));

  prove('BoxIDMint.mint', () => {
    const id = BoxIDMint.mint();
    assert.match(id.asStr(), /^[0-9A-Za-z]{12}$/);
    assert.notEqual(BoxIDMint.mint().asStr(), id.asStr());
  });
  prove('BoxID.new', () => {
    assert.match(BoxID.new().asStr(), /^[0-9A-Za-z]{12}$/);
    assert.notEqual(BoxID.new().asStr(), BoxID.new().asStr());
  });
  prove('BoxID.asStr', () => assert.equal(BoxID.parse(ID)?.asStr(), ID));
  prove('BoxID.short', () => {
    assert.deepEqual(
      [BoxID.parse(ID)?.short(), BoxID.parse(ULID)?.short()],
      ['aB3cD4eF', '01HJK4TN'],
    );
  });
  prove('BoxID.parse', () => {
    assert.deepEqual([BoxID.parse(ID)?.asStr(), BoxID.parse(ULID)?.asStr()], [ID, ULID]);
  });
  prove('BoxID.parse: invalid', () => {
    for (const text of ['too-short', '', `${ID}x`, ULID.toLowerCase(), `8${ULID.slice(1)}`]) {
      assert.equal(BoxID.parse(text), null, text);
    }
  });
  prove('BoxID.toString', () => assert.equal(`${BoxID.parse(ID)}`, ID));
  prove('BoxID.toJSON', () => assert.equal(JSON.stringify(BoxID.parse(ID)), `"${ID}"`));

  prove('ContainerID.new', () => {
    assert.match(ContainerID.new().asStr(), /^[0-9a-f]{64}$/);
    assert.notEqual(ContainerID.new().asStr(), ContainerID.new().asStr());
  });
  prove('ContainerID.asStr', () => {
    assert.equal(new ContainerID('a'.repeat(64)).asStr(), 'a'.repeat(64));
  });
  prove('ContainerID.short', () => {
    assert.equal(new ContainerID(`0123456789abcdef${'0'.repeat(48)}`).short(), '0123456789ab');
  });
  prove('ContainerID.isValid', () => {
    assert.equal(ContainerID.isValid('a'.repeat(64)), true);
    for (const text of ['a'.repeat(63), 'A'.repeat(64), 'g'.repeat(64)]) {
      assert.equal(ContainerID.isValid(text), false);
    }
  });
  prove('ContainerID.toString', () => {
    assert.equal(`${new ContainerID('b'.repeat(64))}`, 'b'.repeat(64));
  });
  prove('ContainerID.toJSON', () => {
    assert.equal(JSON.stringify(new ContainerID('c'.repeat(64))), `"${'c'.repeat(64)}"`);
  });

  prove('BoxliteError.kind', () => {
    assert.deepEqual(
      [...boxliteErrorKinds],
      [
        ...['UnsupportedEngine', 'Engine', 'Config', 'Storage', 'Image', 'Portal', 'Network'],
        ...['Rpc', 'RpcTransport', 'Internal', 'Run', 'Unsupported', 'NotFound', 'AlreadyExists'],
        ...['InvalidState', 'Database', 'MetadataError', 'InvalidArgument'],
      ],
    );
    for (const kind of boxliteErrorKinds) assert.equal(new BoxliteError(kind, 'x').kind, kind);
  });
  prove('BoxliteError.code', () => {
    assert.equal(new BoxliteError('NotFound', 'x').code, 'BOXLITE_NOT_FOUND');
    assert.equal(new BoxliteError('RpcTransport', 'x').code, 'BOXLITE_RPC_TRANSPORT');
    const codes = boxliteErrorKinds.map((kind) => new BoxliteError(kind, 'x').code);
    for (const code of codes) assert.match(code, /^BOXLITE_[A-Z_]+$/);
    assert.equal(new Set(codes).size, 18);
  });
  prove('BoxliteError.cause', () => {
    const cause = new Error('why');
    const error = new BoxliteError('Run', 'what', { cause });
    assert.equal(error.cause, cause);
    assert.ok(error instanceof Error);
  });
  prove('BoxliteError.is', () => {
    const error: unknown = new BoxliteError('NotFound', 'what');
    assert.ok(BoxliteError.is(error) && BoxliteError.is(error, 'NotFound'));
    assert.ok(!BoxliteError.is(error, 'Run') && !BoxliteError.is(new Error('what'), 'NotFound'));
    if (BoxliteError.is(error, 'NotFound')) {
      const narrowed: 'NotFound' = error.kind;
      assert.equal(narrowed, 'NotFound');
    }
  });
});

forEachEngine((engine) => {
  let owner: TestRuntime;
  let runtime: BoxliteRuntime;
  /** Has run a command that talked, one that failed, and one that could not be run. */
  let box: LiteBox;
  before(async () => {
    owner = new TestRuntime(engine);
    ({ runtime } = owner);
    box = await owner.makeBox({ memoryMib: 256 });
    const cat = await box.run(['cat']);
    const stdin = cat.stdin();
    await stdin?.write('0123456789');
    await stdin?.close();
    await cat.output();
    await (await box.run(['sh', '-c', 'echo err >&2; exit 3'])).output();
    await assert.rejects(box.run(['no-such-program']));
  });
  after(() => owner[Symbol.asyncDispose]());

  prove('RuntimeMetrics.boxesCreatedTotal', async () => {
    const before = (await runtime.metrics()).boxesCreatedTotal;
    await (await owner.makeBox()).stop();
    assert.equal((await runtime.metrics()).boxesCreatedTotal, before + 1);
  });
  prove('RuntimeMetrics.boxesFailedTotal', async () => {
    const before = (await runtime.metrics()).boxesFailedTotal;
    const failing = await owner.makeBox({ bootTimeoutMs: 1 });
    await assert.rejects(failing.start());
    await failing.stop();
    assert.equal((await runtime.metrics()).boxesFailedTotal, before + 1);
  });
  prove('RuntimeMetrics.numRunningBoxes', async () => {
    const before = (await runtime.metrics()).numRunningBoxes;
    const other = await owner.makeBox();
    await other.start();
    assert.equal((await runtime.metrics()).numRunningBoxes, before + 1);
    await other.stop();
    assert.equal((await runtime.metrics()).numRunningBoxes, before);
  });
  prove('RuntimeMetrics.totalCommandsRun', async () => {
    const before = (await runtime.metrics()).totalCommandsRun;
    await shell(box, 'true');
    await shell(box, 'false');
    assert.equal((await runtime.metrics()).totalCommandsRun, before + 2);
  });
  prove('RuntimeMetrics.totalRunErrors', async () => {
    const before = (await runtime.metrics()).totalRunErrors;
    await shell(box, 'false');
    await assert.rejects(box.run(['no-such-program']));
    assert.equal((await runtime.metrics()).totalRunErrors, before + 1);
  });
  prove('RuntimeMetrics: example', async () => {
    const metrics = await runtime.metrics();
    assert.match(`Boxes created: ${metrics.boxesCreatedTotal}`, /^Boxes created: [1-9]\d*$/);
    assert.match(`Commands run: ${metrics.totalCommandsRun}`, /^Commands run: [1-9]\d*$/);
  });

  prove('BoxMetrics.commandsRunTotal', async () => {
    const before = (await box.metrics()).commandsRunTotal;
    assert.ok(before >= 3);
    await shell(box, 'true');
    assert.equal((await box.metrics()).commandsRunTotal, before + 1);
  });
  prove('BoxMetrics.runErrorsTotal', async () => {
    const before = (await box.metrics()).runErrorsTotal;
    assert.ok(before >= 1);
    await assert.rejects(box.run(['no-such-program']));
    await shell(box, 'exit 7');
    assert.equal((await box.metrics()).runErrorsTotal, before + 1);
  });
  prove('BoxMetrics.bytesSentTotal', async () => {
    const before = (await box.metrics()).bytesSentTotal;
    assert.ok(before >= 10);
    const execution = await box.run(['cat']);
    const stdin = execution.stdin();
    await stdin?.write(Buffer.alloc(1000));
    await stdin?.close();
    await execution.output();
    assert.equal((await box.metrics()).bytesSentTotal, before + 1000);
  });
  prove('BoxMetrics.bytesReceivedTotal', async () => {
    const before = (await box.metrics()).bytesReceivedTotal;
    await shell(box, 'printf 12345; printf 123 >&2');
    assert.equal((await box.metrics()).bytesReceivedTotal, before + 8);
  });
  for (const name of [
    'totalCreateDurationMs',
    'guestBootDurationMs',
    'stageFilesystemSetupMs',
    'stageImagePrepareMs',
    'stageGuestRootfsMs',
    'stageBoxConfigMs',
    'stageBoxSpawnMs',
    'stageContainerInitMs',
  ] as const) {
    prove(`BoxMetrics.${name}`, async () => {
      const metrics = await box.metrics();
      const measured = metrics[name];
      assert.ok(measured !== null && measured >= 0 && measured < 120_000, `${measured}`);
      assert.ok(measured <= (metrics.totalCreateDurationMs ?? 0));
      const sure = ['totalCreateDurationMs', 'guestBootDurationMs', 'stageBoxSpawnMs'];
      if (sure.includes(name)) assert.ok(measured > 0);
    });
  }
  prove('BoxMetrics.cpuPercent', async () => {
    await box.metrics();
    await using _busy = await box.run(['sh', '-c', 'while :; do :; done']);
    await shell(box, 'sleep 0.5');
    const { cpuPercent } = await box.metrics();
    assert.ok(cpuPercent !== null && cpuPercent > 0 && cpuPercent <= 100, `${cpuPercent}`);
  });
  prove('BoxMetrics.memoryBytes', async () => {
    const { memoryBytes } = await box.metrics();
    assert.ok(memoryBytes !== null && memoryBytes > 1024 * 1024, `${memoryBytes}`);
  });
  prove('BoxMetrics: unknown', async () => {
    await using unused = await owner.makeBox();
    const metrics = await unused.metrics();
    for (const name of [
      'cpuPercent',
      'memoryBytes',
      'guestBootDurationMs',
      'stageBoxSpawnMs',
    ] as const) {
      assert.equal(metrics[name], null, name);
    }
    await using offline = await owner.makeBox({ network: 'disabled' });
    await offline.start();
    assert.equal((await offline.metrics()).networkTcpConnections, null);
  });
  prove('BoxMetrics: example', async () => {
    const metrics = await box.metrics();
    const lines = [
      `Boot time: ${metrics.guestBootDurationMs}ms`,
      `CPU: ${metrics.cpuPercent}%`,
      `Memory: ${metrics.memoryBytes} bytes`,
    ];
    for (const line of lines) assert.match(line, /: [0-9.]+(ms|%| bytes)$/);
  });

  prove('BoxID.parse: ULID', async () => {
    const mint = BoxIDMint.mint;
    const old = BoxID.parse(ULID);
    assert.ok(old !== null);
    BoxIDMint.mint = () => old;
    try {
      const made = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
      assert.equal((await shell(made, 'hostname')).stdout, `${ULID.toLowerCase()}\n`);
      assert.equal((await runtime.get(ULID.slice(0, 8)))?.id.asStr(), ULID);
      await runtime.remove(ULID, true);
    } finally {
      BoxIDMint.mint = mint;
    }
  });

  /** A failure of this kind. */
  async function fails(
    kind: BoxliteErrorKind,
    work: () => Promise<unknown>,
  ): Promise<BoxliteError> {
    const error = await work().then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.ok(BoxliteError.is(error), String(error));
    assert.equal(error.kind, kind, error.message);
    assert.ok(error.message.length > 10);
    return error;
  }

  prove('BoxliteError.UnsupportedEngine', async () => {
    const foreign = process.platform === 'darwin' ? 'uml' : 'hvf';
    await using own = await owner.makeBox({ engine: foreign });
    await fails('UnsupportedEngine', () => own.start());
  });
  prove('BoxliteError.Engine', async () => {
    await using own = await owner.makeBox({ bootTimeoutMs: 1 });
    const { message } = await fails('Engine', () => own.start());
    assert.match(message, /waiting for the agent/);
  });
  prove('BoxliteError.Config', async () => {
    const said = await runProgram('failure', [engine], { BOXLITE_HOME: 'relative' });
    assert.equal(said.kind, 'Config');
    assert.match(said.message, /BOXLITE_HOME: expected an absolute path/);
  });
  prove('BoxliteError.Storage', async () => {
    const own = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
    await own.start();
    await own.stop();
    const disk = join(owner.homeDir, 'boxes', own.id.asStr(), 'disk.ext4');
    writeFileSync(disk, Buffer.alloc(1024 * 1024));
    await fails('Storage', () => own.start());
    await runtime.remove(own.id);
  });
  prove('BoxliteError.Image', async () => {
    await using registry = await TestRegistry.start();
    await using other = new BoxliteRuntime({
      homeDir: owner.homeDir,
      engine,
      imageRegistries: [ImageRegistry.http(registry.host).withSearch(true)],
    });
    await using own = await other.create({ rootfs: 'nothing:1' });
    await fails('Image', () => own.start());
  });
  prove('BoxliteError.Portal', async () => {
    const own = await owner.makeBox({ detach: true, diskSizeGb: 1 });
    const execution = await own.run(['sleep', '100000']);
    // Whoever owns the box holds its wire, and takes us to it.
    const shim = readProcess(own.info().pid ?? 0)?.parent;
    assert.ok(shim !== undefined && shim > 1);
    process.kill(shim, 'SIGKILL');
    await fails('Portal', () => inTime('wait()', execution.wait()));
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
    await other.remove(own.id, true);
  });
  prove('BoxliteError.Network', async () => {
    const registry = await LoggingRegistry.start();
    const { host } = registry;
    await registry[Symbol.asyncDispose]();
    await using other = new BoxliteRuntime({
      homeDir: owner.homeDir,
      engine,
      imageRegistries: [ImageRegistry.http(host)],
    });
    await using own = await other.create({ rootfs: `${host}/a/b:1` });
    await fails('Network', () => own.start());
  });
  prove('BoxliteError.Run', async () => {
    await fails('Run', () => box.run(['no-such-program']));
  });
  prove('BoxliteError.NotFound', async () => {
    await fails('NotFound', () => runtime.remove('nobody'));
  });
  prove('BoxliteError.AlreadyExists', async () => {
    await using _own = await owner.makeBox({}, 'twice');
    await fails('AlreadyExists', () => owner.makeBox({}, 'twice'));
  });
  prove('BoxliteError.InvalidState', async () => {
    await fails('InvalidState', () => runtime.remove(box.id));
  });
  prove('BoxliteError.Database', async () => {
    await using other = new TestRuntime(engine);
    writeFileSync(join(other.homeDir, 'boxlite.db'), 'no database at all'.repeat(100));
    await fails('Database', () => other.makeBox());
  });
  prove('BoxliteError.MetadataError', async () => {
    await using other = new TestRuntime(engine);
    const own = await other.makeBox({ autoRemove: false });
    setColumns(other.homeDir, own.id, { ports: '[{"guestPort":' });
    const { message } = await fails('MetadataError', () => other.runtime.getInfo(own.id));
    assert.match(message, new RegExp(own.id.asStr()));
    setColumns(other.homeDir, own.id, { ports: '[]' });
  });
  prove('BoxliteError.InvalidArgument', async () => {
    await fails('InvalidArgument', () => owner.makeBox({ cpus: 0 }));
  });
  prove('BoxliteError.message', async () => {
    const { message } = await fails('InvalidState', () => runtime.remove(box.id));
    assert.equal(
      message,
      `Cannot remove the box ${box.id}: it is running; stop it first, or use force`,
    );
  });
  prove('BoxliteResult', async () => {
    assert.throws(() => new BoxliteRuntime({ homeDir: 'x' }), BoxliteError);
    assert.throws(() => new BoxCommand(''), BoxliteError);
    await assert.rejects(runtime.remove('nobody'), BoxliteError);
  });

  prove('BoxliteError: example', async () => {
    const printed: string[] = [];
    const attempt = async (options: BoxOptions) => {
      try {
        const litebox = await runtime.create(options);
        await litebox.start();
        printed.push(`Created box: ${litebox.id}`);
        await litebox.stop();
      } catch (error) {
        if (BoxliteError.is(error, 'Image')) printed.push(`Image error: ${error.message}`);
        else if (BoxliteError.is(error, 'Config')) printed.push(`Config error: ${error.message}`);
        else printed.push(`Other error: ${error}`);
      }
    };
    await attempt({ rootfs: 'builtin:base' });
    await using registry = await LoggingRegistry.start();
    await attempt({ rootfs: `${registry.host}/nothing:1` });
    await attempt({ cpus: 0 });
    assert.match(printed[0] ?? '', /^Created box: \w{12}$/);
    assert.match(printed[1] ?? '', /^(Image error: .*nothing|Other error: .*Network)/);
    assert.match(printed[2] ?? '', /^Other error: BoxliteError: cpus: /);
    for (const info of await runtime.listInfo({ status: ['configured'] }))
      await runtime.remove(info.id);
  });

  prove('Thread Safety: runtime', async () => {
    const rt = runtime;
    const handles = Array.from({ length: 4 }, async () => {
      const litebox = await rt.create({ rootfs: 'builtin:base', memoryMib: 128, cpus: 1 });
      // Each task has its own box
      assert.equal(
        (await shell(litebox, 'hostname')).stdout,
        `${String(litebox.id).toLowerCase()}\n`,
      );
      await litebox.stop();
      return litebox.id;
    });
    const ids = await Promise.all(handles);
    assert.equal(new Set(ids.map(String)).size, 4);
  });

  /** The example at the end of the references. What it prints is returned. */
  async function completeExample(secure: BoxOptions): Promise<string[]> {
    const printed: string[] = [];
    await using registry = await TestRegistry.start();
    await registry.push('library/python', '3.11-slim', pythonImage());
    await using home = new TestRuntime(engine);
    writeFileSync(join(home.homeDir, 'main.py'), 'print("unused")\n');

    // Initialize runtime
    await using runtime = new BoxliteRuntime({
      homeDir: home.homeDir,
      engine,
      imageRegistries: [ImageRegistry.http(registry.host).withSearch(true)],
    });

    // Configure box
    const options: BoxOptions = {
      cpus: 2,
      memoryMib: 1024,
      rootfs: { image: 'python:3.11-slim' },
      volumes: [{ hostPath: home.homeDir, guestPath: '/app', readOnly: true }],
      ...secure,
    };

    // Create and name the box
    const litebox = await runtime.create(options, 'python-sandbox');
    printed.push(`Created box: ${litebox.id}`);

    // Run Python code
    const cmd = new BoxCommand('python3')
      .args(['-c', "import sys; print(f'Python {sys.version}')"])
      .timeout(Seconds.fromSeconds(30))
      .workingDir('/app');

    const runHandle = await litebox.run(cmd);

    // Stream output
    const stdout = runHandle.stdout();
    if (stdout !== null) {
      for await (const line of stdout) printed.push(line);
    }

    // Check result
    const result = await runHandle.wait();
    if (!result.success()) printed.push(`Command failed with exit code: ${result.exitCode}`);

    // Check metrics
    const metrics = await litebox.metrics();
    const bootMs = metrics.guestBootDurationMs;
    if (bootMs !== null) printed.push(`Boot time: ${bootMs}ms`);

    // Cleanup
    await litebox.stop();
    return printed;
  }

  for (const [row, secure] of [
    ['Complete Example', { advanced: { security: SecurityOptions.enabled() } }],
    ['Complete Example: older', { security: SecurityOptions.standard() }],
  ] as const) {
    prove(row, async () => {
      const printed = await completeExample(secure);
      assert.equal(printed.length, 3, printed.join('\n'));
      assert.match(printed[0] ?? '', /^Created box: \w{12}$/);
      assert.match(printed[1] ?? '', /^Python 3\.\d+/);
      assert.match(printed[2] ?? '', /^Boot time: [0-9.]+ms$/);
    });
  }
});
