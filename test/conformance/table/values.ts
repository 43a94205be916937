import { section, shown } from './row.ts';

/** Measurements, small types and errors. */
export const values = [
  section('both references', 'RuntimeMetrics', {
    'RuntimeMetrics.boxesCreatedTotal': 'boxes made',
    'RuntimeMetrics.boxesFailedTotal': 'boxes that failed to start',
    'RuntimeMetrics.numRunningBoxes': 'boxes that run now',
    'RuntimeMetrics.totalCommandsRun': 'calls of run()',
    'RuntimeMetrics.totalRunErrors': 'calls of run() that failed',
    'RuntimeMetrics: example': 'the example of the section, as written',
  }),
  section('both references', 'BoxMetrics', {
    'BoxMetrics.commandsRunTotal': 'commands run in this box',
    'BoxMetrics.runErrorsTotal': 'those that failed',
    'BoxMetrics.bytesSentTotal': 'bytes of input',
    'BoxMetrics.bytesReceivedTotal': 'bytes of output and errors',
    'BoxMetrics.totalCreateDurationMs': 'from create() to being ready',
    'BoxMetrics.guestBootDurationMs': 'how long the guest took to boot',
    'BoxMetrics.cpuPercent': 'use of the processors, 0 to 100',
    'BoxMetrics.memoryBytes': 'use of memory',
    'BoxMetrics.networkBytesSent': 'bytes sent over the network',
    'BoxMetrics.networkBytesReceived': 'bytes received over the network',
    'BoxMetrics.networkTcpConnections': 'TCP connections that are open',
    'BoxMetrics.networkTcpErrors': 'TCP connections that failed',
    'BoxMetrics.stageFilesystemSetupMs': 'stage 1, the directory',
    'BoxMetrics.stageImagePrepareMs': 'stage 2, the image',
    'BoxMetrics.stageGuestRootfsMs': 'stage 3, the files of the guest',
    'BoxMetrics.stageBoxConfigMs': 'stage 4, the configuration',
    'BoxMetrics.stageBoxSpawnMs': 'stage 5, the process',
    'BoxMetrics.stageContainerInitMs': 'stage 6, the container',
    'BoxMetrics: example': 'the example of the section, as written',
  }),
  section('contract', 'BoxMetrics', {
    'BoxMetrics: unknown': 'what is not known is null, never invented',
  }),
  section('both references', 'Bytes', {
    'Bytes.fromBytes': 'so many bytes',
    'Bytes.fromKib': 'so many times 1024',
    'Bytes.fromMib': 'so many times 1024²',
    'Bytes.fromGib': 'so many times 1024³',
    'Bytes.asBytes': 'as bytes',
    'Bytes.asKib': 'as KiB',
    'Bytes.asMib': 'as MiB',
    'Bytes.toString': '"512 MiB"',
  }),
  section('both references', 'Seconds', {
    'Seconds.fromSeconds': 'so many seconds',
    'Seconds.fromMinutes': 'so many minutes',
    'Seconds.fromHours': 'so many hours',
    'Seconds.asSeconds': 'as seconds',
    'Seconds.asMinutes': 'as minutes',
    'Seconds.toString': '"30 minutes"',
  }),
  section('contract', 'Bytes and Seconds', {
    'Bytes.toJSON': 'the number of bytes',
    'Seconds.toJSON': 'the number of seconds',
  }),
  section('newer reference', 'BoxID', {
    'BoxIDMint.mint': 'a new id of 12 characters in Base62',
    'BoxID.asStr': 'the whole id',
    'BoxID.short': 'its first 8 characters',
    'BoxID.parse': 'takes 12 characters of Base62 and 26 of a ULID',
    'BoxID.parse: invalid': 'is null for anything else',
  }),
  section('older reference', 'BoxID', {
    'BoxID.new': 'a new id, of the newer form',
    'BoxID.parse: ULID': 'an id of the older form still names a box',
  }),
  section('contract', 'BoxID', {
    'BoxID.toString': 'the whole id',
    'BoxID.toJSON': 'the whole id',
  }),
  section('both references', 'ContainerID', {
    'ContainerID.new': 'a new id of 64 hexadecimal digits',
    'ContainerID.asStr': 'the whole id',
    'ContainerID.short': 'its first 12 digits',
    'ContainerID.isValid': 'whether a text is one',
  }),
  section('contract', 'ContainerID', {
    'ContainerID.toString': 'the whole id',
    'ContainerID.toJSON': 'the whole id',
  }),
  section('both references', 'BoxliteError', {
    'BoxliteError.UnsupportedEngine': 'an engine that this system cannot have',
    'BoxliteError.Engine': 'a boot that failed',
    'BoxliteError.Config': 'a variable or a program of the host that is wrong',
    'BoxliteError.Storage': 'a disk that is broken',
    'BoxliteError.Image': 'an image that does not exist',
    'BoxliteError.Portal': 'a box that was lost while it was spoken to',
    'BoxliteError.Network': 'a registry that cannot be reached',
    'BoxliteError.Rpc': {
      claim: 'an error of gRPC',
      notHere:
        'there is no gRPC in this implementation: what would be Rpc is the kind of what failed in the box',
      shownBy: [
        {
          file: 'test/base/errors.test.ts',
          test: 'BoxliteError of kind Rpc has the code BOXLITE_RPC',
        },
      ],
    },
    'BoxliteError.RpcTransport': {
      claim: 'an error of the transport of gRPC',
      notHere: 'there is no gRPC in this implementation: what would be RpcTransport is Portal',
      shownBy: [
        {
          file: 'test/base/errors.test.ts',
          test: 'BoxliteError of kind RpcTransport has the code BOXLITE_RPC_TRANSPORT',
        },
      ],
    },
    'BoxliteError.Internal': {
      claim: 'an error of our own making',
      notHere:
        'no input is known that leads to one; a fault in a callback of ours ends as Internal',
      shownBy: [
        {
          file: 'test/portal/hostile.test.ts',
          test: 'does not get a failing handler of ours mistaken for a breach',
        },
      ],
    },
    'BoxliteError.Run': 'a command that cannot be run',
    'BoxliteError.Unsupported': {
      claim: 'what this version cannot do',
      notHere: 'on Linux and x86-64 nothing that options ask for is unsupported',
      shownBy: [
        {
          file: 'test/engine/kernel/recipe.test.ts',
          test: 'kernelRecipe() refuses an architecture without a configuration',
        },
      ],
    },
    'BoxliteError.NotFound': 'a box that is not there',
    'BoxliteError.AlreadyExists': 'a name that is taken',
    'BoxliteError.InvalidState': 'what a box cannot do in its state',
    'BoxliteError.Database': 'a database that is none',
    'BoxliteError.MetadataError': 'records of a box that cannot be read',
    'BoxliteError.InvalidArgument': 'an argument that makes no sense',
    BoxliteResult:
      'a failure is a rejected promise, or a throw from a synchronous call, with a BoxliteError',
    'BoxliteError: example': 'the example of error handling, as written',
  }),
  section('contract', 'BoxliteError', {
    'BoxliteError.kind': 'one of the 18 names of the reference',
    'BoxliteError.code': 'the kind as BOXLITE_NOT_FOUND',
    'BoxliteError.cause': 'what it came from',
    'BoxliteError.is': 'tells kinds apart, and narrows the type',
    'BoxliteError.message': 'says what failed, on what, and what to do',
  }),
  section('both references', 'Complete Example', {
    'Complete Example': 'the example at the end of the references, line by line',
  }),
  section('older reference', 'Complete Example', {
    'Complete Example: older':
      'the same with security: SecurityOptions.standard() at the top level',
  }),
  section('both references', 'Thread Safety', {
    'Thread Safety: runtime': 'a runtime serves many at once: the example, with four boxes',
    'Thread Safety: LiteBox': 'a box serves many at once',
    'Thread Safety: Execution': 'an execution can be waited for by many',
  }),
  section('contract', 'Conventions', {
    'Conventions: types': shown(
      'every name of the contract is exported with exactly those types, from the packed package',
      'package/package',
      'the packed package > has the types of the contract',
    ),
    'Conventions: TypeScript': shown(
      'the package works from TypeScript',
      'package/package',
      'the packed package > runs a command in a box from TypeScript',
    ),
    'Conventions: JavaScript': shown(
      'the package works from JavaScript',
      'package/package',
      'the packed package > runs a command in a box from JavaScript',
    ),
  }),
] as const;
