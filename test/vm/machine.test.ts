import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { before, describe, it } from 'node:test';
import type { Kernel } from '../../src/index.ts';
import { forEachEngine, kernelOf, sharedBox, shell } from './fixture.ts';

/** A second that is cut off, and how late the time can come on a busy machine. A clock that nobody set is years behind. */
const CLOCK_MS = 5_000;
/** Largest part of a small box's memory that its kernel may keep for itself, in MiB. */
const KERNEL_MIB = 64;
const PAGES_PER_MIB = 256;

forEachEngine((engine) => {
  for (const { cpus, memoryMib } of [
    { cpus: 1, memoryMib: 128 },
    { cpus: 2, memoryMib: 512 },
  ]) {
    const skip = availableParallelism() < cpus ? `this host has fewer than ${cpus} CPUs` : false;
    describe(`a box of ${cpus} CPUs and ${memoryMib} MiB`, { skip }, () => {
      const box = sharedBox(engine, { cpus, memoryMib });
      let kernel: Kernel;
      before(async () => {
        kernel = await kernelOf(engine);
      });

      it('has as many processors', async (test) => {
        const { stdout } = await shell(box(), 'nproc');
        if (!kernel.smp) test.diagnostic(`the kernel ${kernel.version} knows one processor only`);
        assert.equal(Number(stdout), kernel.smp ? cpus : 1);
      });

      it('has as much memory, less what its kernel takes', async () => {
        const { stdout } = await shell(box(), 'grep MemTotal /proc/meminfo');
        const total = Number(/(\d+) kB/.exec(stdout)?.[1]) / 1024;
        assert.ok(total <= memoryMib && total > memoryMib - KERNEL_MIB, `${total} MiB`);
      });

      it('keeps books of no more than that', async () => {
        const { stdout } = await shell(box(), 'cat /proc/zoneinfo');
        const pages = [...stdout.matchAll(/^ +present +(\d+)$/gm)].map(([, count]) =>
          Number(count),
        );
        const present = pages.reduce((sum, count) => sum + count, 0) / PAGES_PER_MIB;
        assert.ok(present > memoryMib / 2 && present <= memoryMib, `${present} MiB`);
      });
    });
  }

  describe('a box', () => {
    const box = sharedBox(engine, { labels: { purpose: 'test' } });

    it('is told about by info()', () => {
      const info = box().info();
      assert.equal(info.id.asStr(), box().id.asStr());
      assert.equal(info.status, 'running');
      assert.equal(info.engine, engine);
      assert.equal(info.image, 'builtin:base');
      assert.equal(info.memoryMib, 512);
      assert.deepEqual(info.labels, { purpose: 'test' });
      assert.ok(info.pid !== null && info.pid > 0);
    });

    it('has its id as its host name', async () => {
      const name = box().id.asStr().toLowerCase();
      const { stdout } = await shell(
        box(),
        'hostname; cat /proc/sys/kernel/hostname; echo $HOSTNAME',
      );
      assert.equal(stdout, `${name}\n${name}\n${name}\n`);
    });

    it('has the time of the host', async () => {
      const earliest = Date.now();
      const { stdout } = await shell(box(), 'date +%s');
      const told = Number(stdout) * 1000;
      assert.ok(told >= earliest - CLOCK_MS, `${earliest - told} ms behind`);
      assert.ok(told <= Date.now() + CLOCK_MS, `${told - Date.now()} ms ahead`);
    });

    it('has random numbers from the start, and others than its neighbour', async () => {
      const { stdout } = await shell(
        box(),
        'cat /proc/sys/kernel/random/uuid; uuidgen 2>/dev/null; true',
      );
      assert.match(stdout, /^[0-9a-f-]{36}\n/);
      // /dev/random blocks until the pool is ready, as getrandom() does.
      const bytes = await shell(box(), 'head -c 32 /dev/random | wc -c');
      assert.equal(bytes.stdout.trim(), '32');
    });

    it('has the address 127.0.0.1, and no network beside it', async () => {
      const script = `
        (echo hello | nc -l -p 1234) &
        for i in $(seq 500); do netstat -ltn | grep -q :1234 && break; sleep 0.01; done
        nc 127.0.0.1 1234 < /dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1`;
      const { stdout, stderr } = await shell(box(), script);
      assert.match(stdout, /^hello\n/, stderr);
      const devices = stdout
        .split('\n')
        .slice(1)
        .map((name) => name.trim());
      assert.ok(devices.includes('lo'));
      assert.ok(!devices.some((name) => /^(eth|ens|enp|wlan)/.test(name)), devices.join(' '));
    });

    it("does not see the host's files, processes or name", async () => {
      const { stdout } = await shell(box(), 'ls /; ls /proc | grep -c "^[0-9]"; cat /proc/1/comm');
      assert.doesNotMatch(stdout, /^work$/m);
      assert.match(stdout, /init\n$/);
    });

    it("does not name a file of the host in its kernel's command line", async () => {
      const { stdout } = await shell(box(), 'cat /proc/cmdline');
      assert.doesNotMatch(stdout, /\/home|\/root|\.cache|boxlite-vm/);
    });
  });
});
