import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BoxliteRuntime,
  BoxState,
  BoxStatus,
  ContainerID,
  canRemove,
  canRun,
  canStart,
  canStop,
  isActive,
  isConfigured,
  isRunning,
  isStopped,
  isTransient,
  type LiteBox,
  type LogEntry,
} from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from '../vm/fixture.ts';
import { eventually, eventuallyNone, inTime } from '../vm/polling.ts';
import { descendants, isAlive, readProcess } from '../vm/processes.ts';
import { prove } from './prove.ts';
import { column, setColumns } from './stored-box.ts';

const statuses = Object.values(BoxStatus);

/** The states for which a predicate holds. */
function holdsFor(predicate: (status: BoxStatus) => boolean): string[] {
  return statuses.filter(predicate);
}

forEachEngine((engine) => {
  let owner: TestRuntime;
  /** Runs, and is kept when it is stopped. */
  let box: LiteBox;
  const labels = { purpose: 'conformance' };
  let made = 0;

  before(async () => {
    owner = new TestRuntime(engine);
    made = Date.now();
    box = await owner.makeBox(
      { cpus: 1, memoryMib: 256, labels, autoRemove: false, diskSizeGb: 1 },
      'main',
    );
    await box.start();
  });
  after(() => owner[Symbol.asyncDispose]());

  const run = async (script: string) => (await shell(box, script)).stdout;
  /** A box of the test's own, kept when it is stopped. */
  const keptBox = () => owner.makeBox({ autoRemove: false, diskSizeGb: 1 });

  prove('LiteBox.id', async () => {
    assert.match(box.id.asStr(), /^[0-9A-Za-z]{12}$/);
    assert.equal((await owner.runtime.get(box.id.asStr()))?.id.asStr(), box.id.asStr());
  });

  prove('LiteBox.name', async () => {
    assert.equal(box.name, 'main');
    await using unnamed = await owner.makeBox();
    assert.equal(unnamed.name, null);
  });

  prove('LiteBox.info', async () => {
    await using unused = await owner.makeBox();
    const before = descendants().length;
    assert.equal(unused.info().status, 'configured');
    assert.equal(descendants().length, before);
  });

  prove('LiteBox.start', async () => {
    const own = await keptBox();
    await own.start();
    assert.equal(own.info().status, 'running');
    await own.stop();
    await own.start();
    assert.equal(own.info().status, 'running');
    await owner.runtime.remove(own.id, true);
  });

  prove('LiteBox.start: running', async () => {
    const { pid } = box.info();
    await box.start();
    assert.equal(box.info().pid, pid);
  });

  prove('LiteBox.run', async () => {
    const execution = await box.run(['echo', 'hello']);
    assert.equal((await execution.output()).stdout, 'hello\n');
  });

  prove('LiteBox.run: starts', async () => {
    await using own = await owner.makeBox();
    assert.equal(own.info().status, 'configured');
    const execution = await own.run(['true']);
    assert.equal(own.info().status, 'running');
    assert.ok((await execution.wait()).success());
  });

  prove('LiteBox.run: list', async () => {
    const execution = await box.run(['printf', '%s|', 'a b', '$HOME', '']);
    assert.equal((await execution.output()).stdout, 'a b|$HOME||');
  });

  prove('LiteBox.run: signal', async () => {
    const control = new AbortController();
    const execution = await box.run(['sleep', '100000'], { signal: control.signal });
    const reason = new Error('enough');
    control.abort(reason);
    await assert.rejects(inTime('wait()', execution.wait()), reason);
    await eventually('its end', () => (control.signal.aborted ? true : null));
    assert.equal(await run('pidof sleep'), '');
  });

  prove('LiteBox.metrics', async () => {
    const metrics = await box.metrics();
    assert.ok((metrics.cpuPercent ?? -1) >= 0);
    assert.ok((metrics.memoryBytes ?? 0) > 1024 * 1024);
  });

  prove('LiteBox.stop', async () => {
    const own = await keptBox();
    await own.start();
    const vmm = readProcess(own.info().pid ?? 0);
    assert.ok(vmm !== null);
    await own.stop();
    await eventuallyNone('the VMM', () => (isAlive(vmm) ? [vmm.name] : []));
    assert.equal(own.info().status, 'stopped');
    await own.start();
    assert.equal(own.info().status, 'running');
    await owner.runtime.remove(own.id, true);
  });

  prove('LiteBox: example', async () => {
    const litebox = await owner.runtime.create({ rootfs: 'builtin:base' });
    await litebox.start();
    const metrics = await litebox.metrics();
    assert.match(`CPU: ${metrics.cpuPercent}%`, /^CPU: [0-9.]+%$/);
    await litebox.stop();
  });

  prove('LiteBox[Symbol.asyncDispose]', async () => {
    let vmm = null;
    {
      await using own = await owner.makeBox();
      await own.start();
      vmm = readProcess(own.info().pid ?? 0);
    }
    assert.ok(vmm !== null);
    const entry = vmm;
    await eventuallyNone('the VMM', () => (isAlive(entry) ? [entry.name] : []));
  });

  prove('LiteBox.start: signal', async () => {
    await using own = await owner.makeBox();
    const control = new AbortController();
    const reason = new Error('enough');
    const starting = own.start({ signal: control.signal });
    setImmediate(() => control.abort(reason));
    await assert.rejects(inTime('start()', starting), reason);
    assert.equal(own.info().pid, null);
    assert.equal(own.info().status, 'configured');
  });

  prove('LiteBox.stop: not running', async () => {
    const own = await keptBox();
    await own.stop();
    await own.start();
    await own.stop();
    await own.stop();
    assert.equal(own.info().status, 'stopped');
    await owner.runtime.remove(own.id);
  });

  prove('LiteBox.stop: timeoutMs', async () => {
    const own = await owner.makeBox({
      autoRemove: false,
      cmd: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'],
    });
    await own.start();
    await inTime('stop()', own.stop({ timeoutMs: 100 }));
    assert.equal(own.info().status, 'stopped');
    await owner.runtime.remove(own.id);
  });

  prove('LiteBox.stop: disk', async () => {
    const own = await keptBox();
    await shell(own, 'echo kept > /file');
    await own.stop();
    await own.start();
    assert.equal((await shell(own, 'cat /file')).stdout, 'kept\n');
    await owner.runtime.remove(own.id, true);
  });

  prove('LiteBox: handle', async () => {
    const own = await keptBox();
    for (const word of ['once', 'again', 'and again']) {
      assert.equal((await shell(own, `echo ${word}`)).stdout, `${word}\n`);
      await own.stop();
    }
    await owner.runtime.remove(own.id);
  });

  prove('LiteBox: autoRemove', async () => {
    const own = await owner.makeBox();
    await own.start();
    await own.stop();
    await assert.rejects(own.start(), { kind: 'NotFound' });
    await assert.rejects(own.run(['true']), { kind: 'NotFound' });
    await assert.rejects(own.metrics(), { kind: 'NotFound' });
    await own.stop();
    assert.equal(await owner.runtime.get(own.id), null);
  });

  prove('LiteBox: boot deadline', async () => {
    await using own = await owner.makeBox({ bootTimeoutMs: 1 });
    await assert.rejects(own.start(), { kind: 'Engine', message: /1 ms/ });
    assert.equal(own.info().pid, null);
  });

  prove('LiteBox.copyIn', async () => {
    const folder = join(owner.homeDir, 'in');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'sub/file'), 'text');
    await box.copyIn(join(folder, 'sub/file'), '/copied');
    await box.copyIn(folder, '/tree');
    assert.equal(await run('cat /copied /tree/sub/file'), 'texttext');
  });

  prove('LiteBox.copyOut', async () => {
    await run('mkdir -p /out/sub; echo text > /out/sub/file');
    const folder = join(owner.homeDir, 'out');
    await box.copyOut('/out', folder);
    assert.equal(readFileSync(join(folder, 'sub/file'), 'utf8'), 'text\n');
    await box.copyOut('/out/sub/file', join(owner.homeDir, 'file'));
    assert.equal(readFileSync(join(owner.homeDir, 'file'), 'utf8'), 'text\n');
  });

  prove('CopyOptions.recursive', async () => {
    const folder = join(owner.homeDir, 'folder');
    mkdirSync(folder);
    await box.copyIn(folder, '/recursive');
    assert.equal(await run('ls -d /recursive'), '/recursive\n');
    await assert.rejects(box.copyIn(folder, '/not-recursive', { recursive: false }));
    await assert.rejects(box.copyOut('/etc', join(owner.homeDir, 'etc'), { recursive: false }));
  });

  prove('CopyOptions.overwrite', async () => {
    const file = join(owner.homeDir, 'overwriting');
    writeFileSync(file, 'new');
    await run('echo old > /there');
    await assert.rejects(box.copyIn(file, '/there', { overwrite: false }));
    assert.equal(await run('cat /there'), 'old\n');
    await box.copyIn(file, '/there');
    assert.equal(await run('cat /there'), 'new');
  });

  prove('CopyOptions.followSymlinks', async () => {
    const link = join(owner.homeDir, 'link');
    writeFileSync(join(owner.homeDir, 'target'), 'followed');
    symlinkSync('target', link);
    await box.copyIn(link, '/as-link');
    await box.copyIn(link, '/as-file', { followSymlinks: true });
    assert.equal(await run('readlink /as-link; cat /as-file'), 'target\nfollowed');
  });

  prove('CopyOptions.includeParent', async () => {
    const folder = join(owner.homeDir, 'parent');
    mkdirSync(folder);
    writeFileSync(join(folder, 'child'), '');
    await run('mkdir /with /without');
    await box.copyIn(folder, '/with');
    await box.copyIn(folder, '/without', { includeParent: false });
    assert.equal(
      await run('ls /with /with/parent /without'),
      ['/with:\nparent\n', '/with/parent:\nchild\n', '/without:\nchild\n'].join('\n'),
    );
  });

  prove('CopyOptions.owner', async () => {
    const file = join(owner.homeDir, 'owned');
    writeFileSync(file, '');
    await box.copyIn(file, '/by-root');
    await box.copyIn(file, '/by-nobody', { owner: 'nobody:12' });
    assert.equal(await run("stat -c '%u:%g' /by-root /by-nobody"), '0:0\n65534:12\n');
  });

  prove('CopyOptions.signal', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(box.copyIn(owner.homeDir, '/never', { signal }), reason);
    await assert.rejects(box.copyOut('/etc', join(owner.homeDir, 'never'), { signal }), reason);
    assert.equal(await run('ls -d /never'), '');
  });

  prove('LiteBox.fs', async () => {
    await box.fs.writeFile('/by-fs', 'text');
    assert.equal(await run('cat /by-fs'), 'text');
    assert.equal(await box.fs.readFile('/etc/hostname', 'utf8'), await run('cat /etc/hostname'));
  });

  prove('BoxFileSystem.readFile', async () => {
    await run("printf 'caf\\303\\251' > /read");
    assert.equal(await box.fs.readFile('/read', 'utf8'), 'café');
    assert.deepEqual(await box.fs.readFile('/read'), Buffer.from('café'));
  });

  prove('BoxFileSystem.writeFile', async () => {
    await box.fs.writeFile('/written', Buffer.from([0, 255, 10]));
    assert.equal(await run('od -An -tx1 /written'), ' 00 ff 0a\n');
    await assert.rejects(box.fs.writeFile('/none/x', ''), { systemCode: 'ENOENT' });
  });

  prove('BoxFileSystem.appendFile', async () => {
    await box.fs.writeFile('/appended', 'a');
    await box.fs.appendFile('/appended', 'b');
    assert.equal(await run('cat /appended'), 'ab');
  });

  prove('BoxFileSystem.open', async () => {
    await using file = await box.fs.open('/opened', 'w+');
    await file.write('0123456789');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(3), 0, 3, 4);
    assert.deepEqual([String(buffer), bytesRead], ['456', 3]);
  });

  prove('BoxFileSystem.mkdir', async () => {
    await box.fs.mkdir('/made/below/it', { recursive: true });
    assert.equal(await run('ls -d /made/below/it'), '/made/below/it\n');
    await assert.rejects(box.fs.mkdir('/absent/x'), { systemCode: 'ENOENT' });
  });

  prove('BoxFileSystem.mkdtemp', async () => {
    const [one, two] = [await box.fs.mkdtemp('/tmp/x-'), await box.fs.mkdtemp('/tmp/x-')];
    assert.match(one, /^\/tmp\/x-\w+$/);
    assert.notEqual(one, two);
    assert.ok((await box.fs.stat(one)).isDirectory());
  });

  prove('BoxFileSystem.readdir', async () => {
    await run('mkdir -p /listed/sub; touch /listed/file /listed/sub/deep');
    assert.deepEqual((await box.fs.readdir('/listed')).toSorted(), ['file', 'sub']);
    const typed = await box.fs.readdir('/listed', { withFileTypes: true });
    assert.deepEqual(typed.map((entry) => [entry.name, entry.isDirectory()]).toSorted(), [
      ['file', false],
      ['sub', true],
    ]);
    const deep = await box.fs.readdir('/listed', { recursive: true });
    assert.deepEqual(deep.toSorted(), ['file', 'sub', 'sub/deep']);
  });

  prove('BoxFileSystem.opendir', async () => {
    await run('mkdir /walked; touch /walked/a /walked/b');
    const names: string[] = [];
    for await (const { name } of await box.fs.opendir('/walked')) names.push(String(name));
    assert.deepEqual(names.toSorted(), ['a', 'b']);
  });

  prove('BoxFileSystem.rm', async () => {
    await run('mkdir -p /removed/sub; touch /removed/sub/file');
    await assert.rejects(box.fs.rm('/removed'));
    await box.fs.rm('/removed', { recursive: true });
    await assert.rejects(box.fs.rm('/removed'), { systemCode: 'ENOENT' });
    await box.fs.rm('/removed', { force: true });
    assert.equal(await run('ls -d /removed'), '');
  });

  prove('BoxFileSystem.rmdir', async () => {
    await run('mkdir -p /full/empty');
    await assert.rejects(box.fs.rmdir('/full'), { systemCode: 'ENOTEMPTY' });
    await box.fs.rmdir('/full/empty');
    assert.equal(await run('ls /full'), '');
  });

  prove('BoxFileSystem.unlink', async () => {
    await run('touch /unlinked');
    await box.fs.unlink('/unlinked');
    assert.equal(await run('ls /unlinked'), '');
  });

  prove('BoxFileSystem.rename', async () => {
    await run('echo moved > /from');
    await box.fs.rename('/from', '/to');
    assert.equal(await run('cat /to; ls /from'), 'moved\n');
  });

  prove('BoxFileSystem.copyFile', async () => {
    await run('echo copied > /original');
    await box.fs.copyFile('/original', '/copy');
    assert.equal(await run('cat /copy /original'), 'copied\ncopied\n');
  });

  prove('BoxFileSystem.stat', async () => {
    await run('echo four > /stat; chmod 640 /stat; chown 7:8 /stat; ln -s /stat /stat-link');
    const stats = await box.fs.stat('/stat-link');
    assert.deepEqual(
      [stats.isFile(), stats.size, stats.mode & 0o777, stats.uid, stats.gid],
      [true, 5, 0o640, 7, 8],
    );
    assert.ok(stats.mtime instanceof Date);
  });

  prove('BoxFileSystem.lstat', async () => {
    await run('ln -s nowhere /lstat');
    assert.ok((await box.fs.lstat('/lstat')).isSymbolicLink());
    await assert.rejects(box.fs.stat('/lstat'), { systemCode: 'ENOENT' });
  });

  prove('BoxFileSystem.access', async () => {
    await box.fs.access('/etc/passwd');
    await assert.rejects(box.fs.access('/absent'), { systemCode: 'ENOENT' });
  });

  prove('BoxFileSystem.chmod', async () => {
    await run('touch /chmod');
    await box.fs.chmod('/chmod', 0o4711);
    assert.equal(await run("stat -c '%a' /chmod"), '4711\n');
  });

  prove('BoxFileSystem.chown', async () => {
    await run('touch /chown; ln -s chown /chown-link');
    await box.fs.chown('/chown-link', 12, 34);
    assert.equal(await run("stat -c '%u:%g' /chown"), '12:34\n');
  });

  prove('BoxFileSystem.lchown', async () => {
    await run('touch /lchown; ln -s lchown /lchown-link');
    await box.fs.lchown('/lchown-link', 12, 34);
    assert.equal(await run("stat -c '%u:%g' /lchown /lchown-link"), '0:0\n12:34\n');
  });

  prove('BoxFileSystem.utimes', async () => {
    await run('touch /utimes');
    await box.fs.utimes('/utimes', 1, 1_500_000_000);
    assert.equal(await run("stat -c '%X %Y' /utimes"), '1 1500000000\n');
  });

  prove('BoxFileSystem.lutimes', async () => {
    await run('ln -s nowhere /lutimes');
    await box.fs.lutimes('/lutimes', 1, 1_500_000_000);
    assert.equal(await run("stat -c '%Y' /lutimes"), '1500000000\n');
  });

  prove('BoxFileSystem.truncate', async () => {
    await run('echo long > /truncated');
    await box.fs.truncate('/truncated', 2);
    assert.equal(await run('cat /truncated'), 'lo');
  });

  prove('BoxFileSystem.symlink', async () => {
    await box.fs.symlink('/etc/passwd', '/symlinked');
    assert.equal(await run('readlink /symlinked'), '/etc/passwd\n');
  });

  prove('BoxFileSystem.link', async () => {
    await run('touch /linked');
    await box.fs.link('/linked', '/linked-too');
    assert.equal(await run("stat -c '%h' /linked"), '2\n');
  });

  prove('BoxFileSystem.readlink', async () => {
    await run('ln -s a/b /leads');
    assert.equal(await box.fs.readlink('/leads'), 'a/b');
  });

  prove('BoxFileSystem.realpath', async () => {
    await run('mkdir -p /real/dir; ln -s /real /unreal');
    assert.equal(await box.fs.realpath('/unreal/./dir/..'), '/real');
  });

  prove('BoxFileSystem.createReadStream', async () => {
    await run('seq 10000 > /streamed');
    assert.equal(await text(box.fs.createReadStream('/streamed')), await run('cat /streamed'));
  });

  prove('BoxFileSystem.createWriteStream', async () => {
    const stream = box.fs.createWriteStream('/stream');
    await new Promise<void>((resolve, reject) => {
      stream.on('error', reject).on('close', resolve);
      stream.write('one ');
      stream.end('two');
    });
    assert.equal(await run('cat /stream'), 'one two');
  });

  prove('BoxFileSystem.watch', async () => {
    await run('mkdir /watched');
    const control = new AbortController();
    const seen = (async () => {
      for await (const { filename } of box.fs.watch('/watched', { signal: control.signal })) {
        return String(filename);
      }
      return null;
    })();
    for (let made = false; !made; ) {
      await run('touch /watched/new; rm /watched/new');
      made = (await Promise.race([seen, sleep(10, null)])) !== null;
    }
    assert.equal(await seen, 'new');
    control.abort();
  });

  prove('LiteBox.logs', async () => {
    const own = await owner.makeBox({
      autoRemove: false,
      cmd: ['sh', '-c', 'echo out; echo err >&2'],
    });
    await own.start();
    await eventually('its end', () => (own.info().status === 'stopped' ? true : null));
    const entries: LogEntry[] = await Array.fromAsync(own.logs());
    const lines = entries.map(({ source, line }) => `${source}: ${line}`);
    assert.deepEqual(lines.toSorted(), ['stderr: err', 'stdout: out']);
    assert.ok(entries.every(({ time }) => time instanceof Date && time.getTime() >= made));
    await owner.runtime.remove(own.id);
  });

  prove('LiteBox.logs: follow', async () => {
    const own = await owner.makeBox({
      autoRemove: false,
      cmd: ['sh', '-c', 'echo first; until [ -e /go ]; do sleep 0.05; done; echo second'],
    });
    await own.start();
    const lines: string[] = [];
    for await (const { line } of own.logs({ follow: true })) {
      lines.push(line);
      if (line === 'first') await shell(own, 'touch /go');
    }
    assert.deepEqual(lines, ['first', 'second']);
    await owner.runtime.remove(own.id, true);
  });

  prove('LiteBox.logs: signal', async () => {
    const own = await owner.makeBox({
      autoRemove: false,
      cmd: ['sh', '-c', 'echo first; sleep 100000'],
    });
    await own.start();
    const control = new AbortController();
    const reason = new Error('enough');
    const reading = (async () => {
      for await (const _ of own.logs({ follow: true, signal: control.signal }))
        control.abort(reason);
    })();
    await assert.rejects(inTime('logs()', reading), reason);
    await owner.runtime.remove(own.id, true);
  });

  prove('BoxInfo.id', () => assert.equal(box.info().id.asStr(), box.id.asStr()));

  prove('BoxInfo.name', async () => {
    await using unnamed = await owner.makeBox();
    assert.deepEqual([box.info().name, unnamed.info().name], ['main', null]);
  });

  prove('BoxInfo.status', async () => {
    await using unused = await owner.makeBox();
    assert.deepEqual([box.info().status, unused.info().status], ['running', 'configured']);
  });

  prove('BoxInfo.createdAt', () => {
    const { createdAt } = box.info();
    assert.ok(createdAt instanceof Date);
    assert.ok(createdAt.getTime() >= made && createdAt.getTime() <= Date.now());
  });

  prove('BoxInfo.lastUpdated', async () => {
    const own = await keptBox();
    const times = [own.info().lastUpdated.getTime()];
    await own.start();
    times.push(own.info().lastUpdated.getTime());
    await own.stop();
    times.push(own.info().lastUpdated.getTime());
    const [first = 0, second = 0, third = 0] = times;
    assert.ok(first < second && second <= third, String(times));
    await owner.runtime.remove(own.id);
  });

  prove('BoxInfo.pid', async () => {
    await using unused = await owner.makeBox();
    assert.equal(unused.info().pid, null);
    const tree = descendants(box.info().pid ?? 0);
    assert.ok(readProcess(box.info().pid ?? 0) !== null);
    const all = [readProcess(box.info().pid ?? 0), ...tree].map((entry) => entry?.name ?? '');
    assert.ok(
      all.some((name) => /^(linux|qemu-system)/.test(name)),
      all.join(' '),
    );
  });

  prove('BoxInfo.image', async () => {
    await using image = await owner.runtime.create({ rootfs: 'python:3.11' });
    await using path = await owner.runtime.create({ rootfs: { rootfsPath: owner.homeDir } });
    assert.deepEqual(
      [box.info().image, image.info().image, path.info().image],
      ['builtin:base', 'python:3.11', owner.homeDir],
    );
  });

  prove('BoxInfo.cpus', async () => {
    assert.equal(box.info().cpus, 1);
    assert.equal(await run('nproc'), '1\n');
  });

  prove('BoxInfo.memoryMib', async () => {
    assert.equal(box.info().memoryMib, 256);
    const total = Number(/\d+/.exec(await run('grep MemTotal /proc/meminfo'))?.[0]) / 1024;
    assert.ok(total > 128 && total <= 256, `${total} MiB`);
  });

  prove('BoxInfo.labels', () => assert.deepEqual(box.info().labels, labels));

  prove('BoxInfo.engine', async () => {
    await using unused = await owner.makeBox();
    assert.deepEqual([box.info().engine, unused.info().engine], [engine, null]);
  });

  prove('BoxInfo.ports', async () => {
    await using own = await owner.makeBox({ ports: [{ guestPort: 80, hostIp: '127.0.0.1' }] });
    assert.deepEqual(own.info().ports, []);
    await own.start();
    const [port] = own.info().ports;
    assert.deepEqual(
      { ...port, hostPort: 0 },
      {
        guestPort: 80,
        hostPort: 0,
        protocol: 'tcp',
        hostIp: '127.0.0.1',
      },
    );
    assert.ok((port?.hostPort ?? 0) > 0);
  });

  prove('BoxInfo.exitReason', async () => {
    const own = await keptBox();
    assert.equal(own.info().exitReason, null);
    await own.start();
    await own.stop();
    assert.equal(own.info().exitReason, 'stopped');
    await owner.runtime.remove(own.id);
  });

  prove('BoxStatus.Unknown', async () => {
    assert.ok(canRemove(BoxStatus.Unknown));
    const own = await keptBox();
    await own.start();
    const owned = column(owner.homeDir, own.id, 'owner');
    await own.stop();
    // As if a program had lost track of it, and the host had been restarted.
    const dead = JSON.stringify({ ...JSON.parse(owned), boot: 'the one before' });
    setColumns(owner.homeDir, own.id, { status: BoxStatus.Unknown, owner: dead });
    assert.equal(own.info().status, 'unknown');
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir, engine });
    assert.equal((await other.getInfo(own.id))?.status, 'stopped');
    await other.remove(own.id);
    assert.equal(await owner.runtime.exists(own.id), false);
  });

  prove('BoxStatus.Configured', async () => {
    await using own = await owner.makeBox();
    assert.equal(own.info().status, BoxStatus.Configured);
  });

  prove('BoxStatus.Running', async () => {
    assert.equal(box.info().status, BoxStatus.Running);
    assert.equal(await run('echo on'), 'on\n');
  });

  prove('BoxStatus.Stopping', async () => {
    const own = await keptBox();
    await own.start();
    const stopping = own.stop();
    const seen: string[] = [];
    const looking = setInterval(() => seen.push(own.info().status), 0);
    await stopping;
    clearInterval(looking);
    assert.ok(seen.includes(BoxStatus.Stopping), seen.join(' '));
    await owner.runtime.remove(own.id);
  });

  prove('BoxStatus.Stopped', async () => {
    const own = await keptBox();
    await own.start();
    await own.stop();
    assert.equal(own.info().status, BoxStatus.Stopped);
    await owner.runtime.remove(own.id);
  });

  prove('BoxStatus: values', () => {
    assert.deepEqual(BoxStatus, {
      Unknown: 'unknown',
      Configured: 'configured',
      Running: 'running',
      Stopping: 'stopping',
      Stopped: 'stopped',
    });
  });

  prove('isActive', async () => {
    assert.deepEqual(holdsFor(isActive), ['running', 'stopping']);
    assert.ok(isActive(box.info().status));
  });
  prove('isRunning', () => {
    assert.deepEqual(holdsFor(isRunning), ['running']);
    assert.ok(isRunning(box.info().status));
  });
  prove('isConfigured', async () => {
    await using own = await owner.makeBox();
    assert.deepEqual(holdsFor(isConfigured), ['configured']);
    assert.ok(isConfigured(own.info().status));
  });
  prove('isStopped', async () => {
    const own = await keptBox();
    await own.start();
    await own.stop();
    assert.deepEqual(holdsFor(isStopped), ['stopped']);
    assert.ok(isStopped(own.info().status));
    await owner.runtime.remove(own.id);
  });
  prove('isTransient', () => assert.deepEqual(holdsFor(isTransient), ['stopping']));
  prove('canStart', () => assert.deepEqual(holdsFor(canStart), ['configured', 'stopped']));
  prove('canStop', () => assert.deepEqual(holdsFor(canStop), ['running']));
  prove('canRemove', () => {
    assert.deepEqual(holdsFor(canRemove), ['unknown', 'configured', 'stopped']);
  });
  prove('canRun', () => assert.deepEqual(holdsFor(canRun), ['configured', 'running', 'stopped']));

  prove('create() -> configured', async () => {
    await using own = await owner.makeBox();
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
    const info = await other.getInfo(own.id);
    assert.deepEqual([info?.status, info?.pid], ['configured', null]);
  });

  prove('configured -> running', async () => {
    await using own = await owner.makeBox();
    await own.start();
    assert.equal(own.info().status, 'running');
    assert.ok(readProcess(own.info().pid ?? 0) !== null);
  });

  prove('running -> stopping -> stopped', async () => {
    const own = await keptBox();
    await own.start();
    const seen = new Set<string>([own.info().status]);
    const stopping = own.stop();
    const looking = setInterval(() => seen.add(own.info().status), 0);
    await stopping;
    clearInterval(looking);
    seen.add(own.info().status);
    assert.deepEqual([...seen], ['running', 'stopping', 'stopped']);
    assert.equal(own.info().pid, null);
    await owner.runtime.remove(own.id);
  });

  prove('stopped -> running', async () => {
    const own = await keptBox();
    await own.start();
    await own.stop();
    await own.start();
    assert.equal(own.info().status, 'running');
    await owner.runtime.remove(own.id, true);
  });

  prove('configured -> running, by run()', async () => {
    await using own = await owner.makeBox();
    await (await own.run(['true'])).wait();
    assert.equal(own.info().status, 'running');
  });

  prove('stopped -> running, by run()', async () => {
    const own = await keptBox();
    await own.start();
    await own.stop();
    await (await own.run(['true'])).wait();
    assert.equal(own.info().status, 'running');
    await owner.runtime.remove(own.id, true);
  });

  prove('running -> stopped, by the VMM', async () => {
    const own = await keptBox();
    await own.start();
    process.kill(own.info().pid ?? 0, 'SIGKILL');
    await eventually('its end', () => (own.info().status === 'stopped' ? true : null));
    assert.match(own.info().exitReason ?? '', /VMM|SIGKILL/);
    assert.equal(own.info().pid, null);
    await owner.runtime.remove(own.id);
  });

  prove('running -> stopped, by the main command', async () => {
    const own = await owner.makeBox({ autoRemove: false, cmd: ['sh', '-c', 'exit 7'] });
    await own.start();
    await eventually('its end', () => (own.info().status === 'stopped' ? true : null));
    assert.equal(own.info().exitReason, 'exit code 7');
    await owner.runtime.remove(own.id);
  });

  prove('stopped -> gone', async () => {
    const own = await keptBox();
    await own.start();
    await own.stop();
    await owner.runtime.remove(own.id);
    await assert.rejects(own.start(), { kind: 'NotFound' });
  });

  prove('configured -> gone', async () => {
    const own = await keptBox();
    await owner.runtime.remove(own.id);
    await assert.rejects(own.start(), { kind: 'NotFound' });
  });

  prove('running -> gone', async () => {
    const own = await keptBox();
    await own.start();
    await owner.runtime.remove(own.id, true);
    await assert.rejects(own.start(), { kind: 'NotFound' });
  });

  prove('forbidden transitions', () => {
    const at = new Date(0);
    const allowed: Record<BoxStatus, readonly BoxStatus[]> = {
      unknown: ['configured', 'running', 'stopping', 'stopped'],
      configured: ['unknown', 'running', 'stopped'],
      running: ['unknown', 'stopping', 'stopped'],
      stopping: ['unknown', 'stopped'],
      stopped: ['unknown', 'running'],
    };
    for (const from of statuses) {
      for (const to of statuses.filter((status) => !allowed[from].includes(status))) {
        const state = new BoxState({ status: from, lastUpdated: at });
        assert.throws(() => state.to(to, at), { kind: 'InvalidState' });
      }
    }
  });

  const at = new Date(1_000);
  const containerId = ContainerID.new();
  const state = new BoxState({
    ...{ status: 'running', pid: 42, containerId, lastUpdated: at, lockId: 7 },
  });

  prove('BoxState.status', () => {
    assert.equal(state.status, 'running');
    assert.equal(state.to('stopping', at).status, 'stopping');
  });
  prove('BoxState.pid', () => {
    assert.deepEqual([state.pid, state.to('stopped', at).pid], [42, null]);
  });
  prove('BoxState.containerId', () => {
    assert.equal(state.containerId, containerId);
    assert.match(containerId.asStr(), /^[0-9a-f]{64}$/);
    assert.equal(new BoxState({ status: 'configured', lastUpdated: at }).containerId, null);
  });
  prove('BoxState.lastUpdated', () => {
    assert.equal(state.lastUpdated, at);
    const later = new Date(2_000);
    assert.equal(state.to('stopped', later).lastUpdated, later);
  });
  prove('BoxState.lockId', () => {
    assert.deepEqual([state.lockId, state.to('stopped', at).lockId], [7, null]);
  });

  after(() => rmSync(join(owner.homeDir, 'in'), { recursive: true, force: true }));
});
