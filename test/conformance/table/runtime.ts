import { section, shown } from './row.ts';

const sameButAFlag = {
  file: 'test/engine/plan.test.ts',
  test: 'planQemu() > differs between tcg, kvm and hvf in the accelerator and the processor alone',
} as const;

/** The runtime, its options, and where images come from. */
export const runtime = [
  section('both references', 'BoxliteRuntime', {
    'BoxliteRuntime.new':
      'makes a runtime with options: its boxes live in that home and on that engine',
    'BoxliteRuntime.withDefaults': 'makes a runtime with every option at its default',
    'BoxliteRuntime.defaultRuntime': 'gets or makes the one runtime of the process',
    'BoxliteRuntime.tryDefaultRuntime': 'is that runtime once it was made, and null before',
    'BoxliteRuntime.initDefaultRuntime': 'makes it with options; AlreadyExists if it was made',
    'BoxliteRuntime.create': 'makes a box, with a name or without one',
    'BoxliteRuntime.get': 'finds a box by its id or its name; null if there is none',
    'BoxliteRuntime.getInfo': 'tells about a box without a handle; null if there is none',
    'BoxliteRuntime.listInfo': 'tells about all boxes',
    'BoxliteRuntime.exists': 'tells whether there is a box, by id or name',
    'BoxliteRuntime.metrics': 'counts over all boxes of the home',
    'BoxliteRuntime.remove': 'removes a box with its disk',
    'BoxliteRuntime: example': 'the example of the section, as written',
  }),
  section('contract', 'BoxliteRuntime', {
    'BoxliteRuntime[Symbol.asyncDispose]': 'disposing of a runtime shuts it down',
    'BoxliteRuntime.getOrCreate':
      'makes the box of that name, or finds it, and says which; it keeps its own options',
    'BoxliteRuntime.get: BoxID': 'a BoxID does as well as a text, wherever a box is named',
    'BoxliteRuntime.get: order':
      'exact id, then exact name, then the only id prefix of at least 4 characters',
    'BoxliteRuntime.get: ambiguous': 'a prefix that fits several boxes is InvalidArgument',
    'BoxliteRuntime.listInfo: newest first': 'the newest box comes first',
    'BoxliteRuntime.listInfo: status': 'filters by states',
    'BoxliteRuntime.listInfo: labels': 'filters by labels, all of which a box must have',
    'BoxliteRuntime.create: name':
      'a name is 1..63 of [a-zA-Z0-9][a-zA-Z0-9._-]*, otherwise InvalidArgument',
    'BoxliteRuntime.create: taken': 'a second box of a name is AlreadyExists',
    'BoxliteRuntime.remove: unknown': 'removing an unknown box is NotFound',
    'BoxliteRuntime.remove: active':
      'removing an active box is InvalidState, and the message names force',
    'BoxliteRuntime.remove: force': 'with force the whole process tree is killed first',
    'BoxliteRuntime.images':
      'the images of the home: list, get, inspect, import, export, remove, prune, pull',
    'BoxliteRuntime.engines': 'what this host can run, measured, with reasons',
    'BoxliteRuntime.shutdown': 'stops what the runtime owns, as often as it is asked',
    'BoxliteRuntime.shutdown: detached': 'leaves detached boxes running',
    'BoxliteRuntime.shutdown: create': 'after it, create is InvalidState',
    'BoxliteRuntime: one home':
      'many runtimes share one home at the same time; each sees all boxes',
    'BoxliteRuntime: many processes': shown(
      'many processes share one home: library and command line, each with commands in the boxes of the others',
      'vm/sharing',
      'a box of another runtime > is the same to all of them',
      'programs that do the same at the same time > start one VMM, and settle on what becomes of the box',
    ),
  }),
  section('both references', 'BoxliteOptions', {
    'BoxliteOptions.homeDir': 'the folder of all state',
    'BoxliteOptions.homeDir: default': '~/.boxlite, or $BOXLITE_HOME',
    'BoxliteOptions.imageRegistries':
      'registries in which names without a host are looked up, in their order',
    'BoxliteOptions.imageRegistries: default': 'none at all stands for docker.io',
  }),
  section('contract', 'BoxliteOptions', {
    'BoxliteOptions.homeDir: absolute': 'a relative homeDir is InvalidArgument',
    'BoxliteOptions.engine': 'what boxes run on unless they say otherwise',
    'BoxliteOptions.engine: default': 'auto',
    'BoxliteOptions: unknown key': 'an unknown key is InvalidArgument and named',
  }),
  section('older reference', 'BoxliteOptions', {
    'BoxliteOptions.imageRegistries: texts': 'registries given as texts are https and searched',
  }),
  section('newer reference', 'ImageRegistry', {
    'ImageRegistry.https': 'a registry spoken to over https, which is the default transport',
    'ImageRegistry.http': 'a registry spoken to over plain http',
    'ImageRegistry.host': 'host, optionally with a port and a namespace',
    'ImageRegistry.host: no scheme': 'a scheme in the host is InvalidArgument',
    'ImageRegistry.transport': 'Https by default; Http for plain registries',
    'ImageRegistry.skipVerify': 'whether certificates are not verified; by default they are',
    'ImageRegistry.withSkipVerify':
      'a certificate that nobody vouches for is accepted, and otherwise not',
    'ImageRegistry.search': 'whether names without a host are looked up there; by default not',
    'ImageRegistry.withSearch': 'names without a host are looked up there, and otherwise not',
    'ImageRegistry.auth: anonymous': 'without a login nothing is sent to identify',
    'ImageRegistry.withBasicAuth': 'identifies by user and password',
    'ImageRegistry.withBearerAuth': 'identifies by a token',
    'ImageRegistry: example': 'the example: "alpine" is tried in each searched registry in turn',
  }),
  section('contract', 'EngineChoice', {
    'EngineChoice: auto': 'picks the first that works here, by having booted a probe guest with it',
    'EngineChoice: uml': 'user-mode Linux; boots a box',
    'EngineChoice: tcg': 'QEMU without hardware; boots a box',
    'EngineChoice: kvm': {
      claim: 'QEMU with the hardware of Linux; boots a box',
      notHere: 'needs a host whose /dev/kvm runs guests; shares all but a flag with tcg',
      shownBy: [sameButAFlag],
    },
    'EngineChoice: hvf': {
      claim: 'QEMU with the hardware of macOS; boots a box',
      notHere: 'needs macOS; shares all but a flag with tcg',
      shownBy: [sameButAFlag],
    },
    'EngineChoice: cannot work':
      'an engine that does not work here fails with the reason, an impossible one with UnsupportedEngine',
    'EngineChoice: cache':
      'what was found out is kept until the host reboots or the files of the engine change',
  }),
] as const;
