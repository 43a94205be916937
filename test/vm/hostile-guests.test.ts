import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BoxliteError, type VolumeNode, type VolumeProvider } from '../../src/index.ts';
import type { Vm } from '../../src/runtime/vm.ts';
import { Volumes } from '../../src/runtime/volumes.ts';
import { forEachEngine } from './fixture.ts';
import { eventually, inTime } from './polling.ts';
import { descendants } from './processes.ts';
import { StandIns } from './stand-in.ts';

/** Long enough for the slowest engine's kernel to boot. */
const BOOT_MS = 30_000;
/** What a flood may cost the host. */
const FLOOD_BYTES = 64 * 1024 * 1024;
const STAGE = /^Cannot boot, waiting for the agent: /;

forEachEngine((engine) => {
  let standIns: StandIns;
  before(() => {
    standIns = new StandIns(engine);
  });
  after(() => standIns[Symbol.dispose]());

  /** The error with which such a guest does not boot. */
  async function failure(name: string, timeoutMs = BOOT_MS): Promise<BoxliteError> {
    const error = await inTime(
      name,
      standIns.start(name, { timeoutMs }).then(
        () => assert.fail('it booted'),
        (reason: unknown) => reason,
      ),
      2 * BOOT_MS,
    );
    assert.ok(BoxliteError.is(error, 'Engine'), String(error));
    assert.match(error.message, STAGE);
    return error;
  }

  /** Why a guest that has said hello was given up; it may be before anybody has seen that hello. */
  async function reasonOf(name: string, use: (vm: Vm) => void = () => undefined): Promise<string> {
    const idle = process.memoryUsage.rss();
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss() - idle);
    }, 5);
    try {
      await using vm = await standIns.start(name, { timeoutMs: BOOT_MS });
      use(vm);
      const reason = await inTime(name, vm.lost);
      // Nobody has to ask for it: a guest that breaks the protocol is ended.
      await inTime(`the end of ${name}`, vm.process.exited);
      return reason.message;
    } catch (error) {
      assert.ok(BoxliteError.is(error, 'Engine'), String(error));
      return error.message;
    } finally {
      clearInterval(watch);
      assert.ok(peak < FLOOD_BYTES, `${peak} bytes more than before`);
    }
  }

  describe('a guest that does not become a box', () => {
    it('because it never says hello is given up when its time is over', async () => {
      // As long as it takes to boot a kernel: the console's end is shown.
      const error = await failure('silent', engine === 'uml' ? 5_000 : 12_000);
      assert.match(error.message, /nothing came within \d+ ms \(see bootTimeoutMs\)/);
      assert.match(error.message, /Its console ends with:\n.*stand-in: silent$/s);
    });

    it('because its /init ends shows what its kernel said last', async () => {
      const error = await failure('quits');
      assert.match(error.message, /the VMM (ended with status|was ended by)/);
      assert.match(error.message, /Kernel panic/);
    });

    it('because it sends garbage is given up at once', async () => {
      const error = await failure('garbage');
      assert.match(error.message, /no HELLO within 65536 bytes/);
      assert.match(error.message, /stand-in: garbage/);
    });

    it('because it sends a frame that is too long is given up at once', async () => {
      await failure('oversized');
    });

    it('because its VMM is killed says so', async () => {
      const booting = standIns.start('silent', { timeoutMs: BOOT_MS });
      booting.catch(() => undefined);
      const vmm = await eventually('the VMM', () => {
        return descendants().find(({ name }) => /^(linux|qemu)/.test(name)) ?? null;
      });
      process.kill(vmm.pid, 'SIGKILL');
      await assert.rejects(inTime('the boot', booting), {
        kind: 'Engine',
        message: /^Cannot boot, waiting for the agent: .*the VMM (ended with status 137|was ended)/,
      });
    });

    it('because its jail is killed takes the VMM with it', async () => {
      const booting = standIns.start('silent', { timeoutMs: BOOT_MS });
      booting.catch(() => undefined);
      await eventually('the VMM', () => {
        return descendants().find(({ name }) => /^(linux|qemu)/.test(name)) ?? null;
      });
      const jail = descendants().find(({ parent }) => parent === process.pid);
      assert.ok(jail !== undefined);
      process.kill(jail.pid, 'SIGKILL');
      await assert.rejects(inTime('the boot', booting), {
        kind: 'Engine',
        message: /^Cannot boot, waiting for the agent: .*the VMM was ended by SIGKILL/,
      });
    });
  });

  describe('a guest that breaks the protocol is ended, and the host stays small,', () => {
    it('when it asks for streams without end', async () => {
      assert.match(await reasonOf('opens'), /broke the portal protocol: OPEN/);
    });

    it('when it asks for answers and does not read them', async () => {
      assert.match(await reasonOf('pings'), /it asks and does not read the answers/);
    });

    it('when it sends more than it was allowed to', async () => {
      const reason = await reasonOf('data', (vm) => {
        // Nobody gives credit back: what came is not used.
        vm.portal.channel.open({ service: 'exec' }, { data: () => undefined });
      });
      assert.match(reason, /more DATA than credit/);
    });

    it('when it sends for a stream that was never opened', async () => {
      assert.match(await reasonOf('strangers'), /stream 77, which was never opened/);
    });
  });

  it('a guest that ends by itself is quoted in the reason', async () => {
    const reason = await reasonOf('dies', (vm) => {
      vm.portal.channel.open({ service: 'exec' }, {});
    });
    assert.match(reason, /the VMM ended with status 0; its guest said "boxlite-agent: it is too/);
  });

  describe('a guest that sends what is no FUSE loses that volume, and no other,', () => {
    const kinds = ['noise', 'a length that no request has', 'a body of nothing', 'a way out'];
    for (const [kind, what] of kinds.entries()) {
      it(`if it is ${what}`, async () => {
        const lost = Promise.withResolvers<void>();
        const asked = Promise.withResolvers<void>();
        const providers = new Map([
          ['/a', spiedVolume({ onClosed: lost.resolve })],
          ['/b', spiedVolume({ onStat: asked.resolve })],
        ]);
        const mounts = [...providers.keys()].map((guestPath) => {
          return { guestPath, hostPath: null, readOnly: false };
        });
        await using volumes = await Volumes.open(mounts, providers);
        const macros = { GARBAGE: String(kind) };
        await using vm = await standIns.start('volumes', { timeoutMs: BOOT_MS, macros });
        await inTime('the mounts', volumes.mount(vm.portal.channel, ''));
        await inTime('the end of the first', lost.promise);
        await inTime('a request to the second', asked.promise);
        assert.equal(vm.portal.channel.failure, null);
      });
    }
  });
});

/** An empty directory that tells what is done with it, but for its being opened. */
function spiedVolume({ onStat, onClosed }: { onStat?: () => void; onClosed?: () => void }) {
  const stat = { type: 'directory', mode: 0o755 } as const;
  const node: VolumeNode = {
    stat: async () => {
      onStat?.();
      return stat;
    },
    lookup: async () => null,
    list: async () => [],
  };
  const close = async () => onClosed?.();
  return { root: async () => ({ node, stat }), close } satisfies VolumeProvider;
}
