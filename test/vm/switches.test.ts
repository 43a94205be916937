/** What each switch of the jail changes about the VMM of a real box, and that it changes nothing else. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type EngineName, SecurityOptions, SecurityOptionsBuilder } from '../../src/index.ts';
import { hostUserFor } from '../../src/jail/host-user.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';
import { descendants, readProcess } from './processes.ts';

const MIB = 1024 * 1024;
const MEMORY_MIB = 128;
const VARIABLE = 'BOXLITE_TEST_VARIABLE';
const asRoot = process.getuid?.() === 0;

/** What can be seen of a VMM. */
interface Facts {
  /** Namespaces that are not ours. */
  readonly namespaces: readonly string[];
  readonly seccomp: boolean;
  readonly noNewPrivileges: boolean;
  readonly capabilities: string;
  /** Whether it sees the files of the host. */
  readonly hostFiles: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly variable: boolean;
  readonly openFiles: string;
  readonly fileSize: string;
  readonly processes: string;
  readonly memory: string;
  readonly cpuTime: string;
  readonly dumps: string;
}

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'];

function factsOf(pid: number): Facts {
  const text = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  const status = (name: string) =>
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text('status'))?.[1] ?? '';
  const limit = (name: string) =>
    new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(text('limits'))?.[1] ?? '';
  const link = (of: number | string, name: string) => readlinkSync(`/proc/${of}/ns/${name}`);
  return {
    namespaces: NAMESPACES.filter((name) => link(pid, name) !== link('self', name)),
    seccomp: status('Seccomp') === '2',
    noNewPrivileges: status('NoNewPrivs') === '1',
    capabilities: status('CapEff'),
    hostFiles: readdirSync(`/proc/${pid}/root`).includes('etc'),
    uid: Number(status('Uid')),
    gid: Number(status('Gid')),
    variable: text('environ').includes(VARIABLE),
    openFiles: limit('Max open files'),
    fileSize: limit('Max file size'),
    processes: limit('Max processes'),
    memory: limit('Max address space'),
    cpuTime: limit('Max cpu time'),
    dumps: limit('Max core file size'),
  };
}

/** Each change, and what of the facts it changes. */
type Case = [
  change: (b: SecurityOptionsBuilder) => SecurityOptionsBuilder,
  expected: Partial<Facts>,
];
const without = (name: string) => NAMESPACES.filter((other) => other !== name);
const large = 8 * 1024 * MIB;
const cases: Case[] = [
  [(b) => b.seccompEnabled(false), { seccomp: false }],
  [(b) => b.newPidNs(false), { namespaces: without('pid') }],
  [(b) => b.newNetNs(false), { namespaces: without('net') }],
  [(b) => b.chrootEnabled(false), { hostFiles: true }],
  [(b) => b.closeFds(false), {}],
  [(b) => b.sanitizeEnv(false), { variable: true }],
  [(b) => b.allowEnv(VARIABLE), { variable: true }],
  [(b) => b.envAllowlist(['OTHER', VARIABLE]), { variable: true }],
  [(b) => b.maxOpenFiles(500), { openFiles: '500' }],
  [(b) => b.maxProcesses(900), { processes: '900' }],
  [(b) => b.maxMemoryBytes(large), { memory: String(large) }],
  [(b) => b.maxCpuTimeSeconds(999), { cpuTime: '999' }],
  // Larger than anything it writes: the jail's own bound stays.
  [(b) => b.maxFileSizeBytes(Number.MAX_SAFE_INTEGER), {}],
  // Smaller than what it has to write, its disk and its memory: that stays possible.
  [(b) => b.maxFileSizeBytes(1024 * MIB), {}],
];
const userCases: Case[] = [
  [(b) => b.uid(4242), { uid: 4242 }],
  [(b) => b.gid(4343), { gid: 4343 }],
];
const noOtherUsers = !asRoot && 'only root can give a VMM a user';

forEachEngine((engine: EngineName) => {
  describe('the VMM of a box', () => {
    let owner: TestRuntime;
    let usual: Facts;

    before(async () => {
      process.env[VARIABLE] = 'of the host';
      owner = new TestRuntime(engine);
      usual = await live(SecurityOptions.enabled());
    });
    after(async () => {
      delete process.env[VARIABLE];
      await owner[Symbol.asyncDispose]();
    });

    async function live(security: SecurityOptions): Promise<Facts> {
      const options = { memoryMib: MEMORY_MIB, cpus: 1, diskSizeGb: 4 };
      await using box = await owner.makeBox({ ...options, advanced: { security } });
      assert.equal((await shell(box, 'echo runs')).stdout, 'runs\n');
      const pid = box.info().pid ?? 0;
      // Without a root of its own UML is executed by a descriptor, whose number is its name then.
      const inside = descendants(pid).find(({ name }) => name !== 'bwrap');
      const facts = factsOf(readProcess(pid)?.name === 'bwrap' ? (inside?.pid ?? 0) : pid);
      if (!asRoot) return facts;
      // Each box has a user of its own; which one is not what this is about.
      const { uid, gid } = hostUserFor(box.id.asStr().toLowerCase(), SecurityOptions.enabled());
      return {
        ...facts,
        uid: facts.uid === uid ? 0 : facts.uid,
        gid: facts.gid === gid ? 0 : facts.gid,
      };
    }

    it('has all of it by itself', () => {
      assert.deepEqual(usual, {
        namespaces: NAMESPACES,
        seccomp: true,
        noNewPrivileges: true,
        capabilities: '0000000000000000',
        hostFiles: false,
        uid: process.getuid?.(),
        gid: process.getgid?.(),
        variable: false,
        openFiles: '1024',
        fileSize: String(4 * 1024 * MIB),
        processes: '1024',
        memory: 'unlimited',
        cpuTime: 'unlimited',
        dumps: '1',
      });
    });

    for (const [change, expected] of [...cases, ...userCases]) {
      const skip = 'uid' in expected || 'gid' in expected ? noOtherUsers : false;
      it(`changes by ${change.toString().slice(7)} in that alone`, { skip }, async () => {
        const facts = await live(change(SecurityOptions.builder()).build());
        assert.deepEqual(facts, { ...usual, ...expected });
      });
    }

    it('has no limits that are asked for in standard(), and all else', async () => {
      const facts = await live(SecurityOptions.standard());
      const { openFiles, processes } = facts;
      assert.deepEqual(facts, { ...usual, openFiles, processes });
      assert.notEqual(openFiles, usual.openFiles);
      assert.notEqual(processes, usual.processes);
    });

    it('is the same in maximum()', async () => {
      assert.deepEqual(await live(SecurityOptions.maximum()), usual);
    });

    for (const [preset, variable] of [
      ['disabled', true],
      ['development', false],
    ] as const) {
      it(`has nothing in ${preset}()${variable ? '' : ' but a clean environment'}`, async () => {
        const builder = new SecurityOptionsBuilder(SecurityOptions[preset]()).allowUnjailed(true);
        const facts = await live(builder.build());
        const { namespaces, seccomp, hostFiles } = facts;
        assert.deepEqual([namespaces, seccomp, hostFiles], [[], false, true]);
        assert.equal(facts.variable, variable);
        // Not the limits of ours, either.
        assert.notEqual(facts.openFiles, usual.openFiles);
        assert.notEqual(facts.fileSize, usual.fileSize);
      });
    }
  });
});
