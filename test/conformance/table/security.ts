import { section, shown } from './row.ts';

const MACOS = 'macOS only';
const profile = 'jail/sandbox-profile';

/** How the VMM is locked in. What the host's /proc says of the process of a running box is the proof. */
export const security = [
  section('both references', 'SecurityOptions', {
    'SecurityOptions.jailerEnabled':
      'the master switch: namespaces, seccomp, user and root of the VMM',
    'SecurityOptions.seccompEnabled': 'the system calls of the VMM are filtered',
    'SecurityOptions.uid': 'the user that the VMM becomes; null: one is chosen for the box',
    'SecurityOptions.gid': 'the group that the VMM becomes; null: one is chosen for the box',
    'SecurityOptions.newPidNs': 'a process namespace of its own',
    'SecurityOptions.newNetNs': 'a network namespace of its own',
    'SecurityOptions.chrootBase': 'the directory in which roots of jails are made',
    'SecurityOptions.chrootEnabled': 'a root with nothing in it but what the VMM needs',
    'SecurityOptions.closeFds': 'inherited descriptors are closed',
    'SecurityOptions.sanitizeEnv': 'the environment is cleared',
    'SecurityOptions.envAllowlist': 'the variables that are left',
    'SecurityOptions.resourceLimits': 'what the VMM may use of the host',
    'SecurityOptions.sandboxProfile': {
      claim: 'a sandbox profile in the place of ours',
      notHere: MACOS,
      shownBy: [
        {
          file: `test/${profile}.test.ts`,
          test: 'sandboxed() > takes the profile that is named, and leaves the variables that are',
        },
      ],
    },
    'SecurityOptions.networkEnabled': {
      claim: 'whether the sandbox has the network',
      notHere: MACOS,
      shownBy: [
        {
          file: `test/${profile}.test.ts`,
          test: 'sandboxProfile() > has the network only if that is asked for',
        },
      ],
    },
    'SecurityOptions: sandbox-exec': {
      claim: 'on macOS the jailer is sandbox-exec',
      notHere: MACOS,
      shownBy: [
        {
          file: `test/${profile}.test.ts`,
          test: 'sandboxed() > runs the plan under our profile, with the paths of the host',
        },
      ],
    },
  }),
  section('newer reference', 'SecurityOptions', {
    'SecurityOptions.enabled':
      'full isolation: everything on, user and group 65534, limits; it is the default',
    'SecurityOptions.disabled':
      'everything off; on uml, whose only boundary is the jail, with allowUnjailed(true)',
  }),
  section('older reference', 'SecurityOptions', {
    'SecurityOptions.development': 'jailer, seccomp and closing of descriptors off',
    'SecurityOptions.standard': 'jailer and seccomp on',
    'SecurityOptions.maximum': 'everything on, user and group 65534, limits',
  }),
  section('both references', 'SecurityOptionsBuilder', {
    'SecurityOptions.builder': 'starts a builder at the defaults',
    'SecurityOptionsBuilder.new': 'starts at the defaults',
    'SecurityOptionsBuilder.development': 'starts at that preset',
    'SecurityOptionsBuilder.standard': 'starts at that preset',
    'SecurityOptionsBuilder.maximum': 'starts at that preset',
    'SecurityOptionsBuilder.jailerEnabled': 'turns the jailer on or off',
    'SecurityOptionsBuilder.seccompEnabled': 'turns seccomp on or off',
    'SecurityOptionsBuilder.uid': 'sets the user',
    'SecurityOptionsBuilder.gid': 'sets the group',
    'SecurityOptionsBuilder.newPidNs': 'turns the process namespace on or off',
    'SecurityOptionsBuilder.newNetNs': 'turns the network namespace on or off',
    'SecurityOptionsBuilder.chrootBase': 'sets the directory of roots',
    'SecurityOptionsBuilder.chrootEnabled': 'turns the root of its own on or off',
    'SecurityOptionsBuilder.closeFds': 'turns closing of descriptors on or off',
    'SecurityOptionsBuilder.sanitizeEnv': 'turns clearing of the environment on or off',
    'SecurityOptionsBuilder.envAllowlist': 'sets the list of variables',
    'SecurityOptionsBuilder.allowEnv': 'adds to the list of variables',
    'SecurityOptionsBuilder.resourceLimits': 'sets all limits',
    'SecurityOptionsBuilder.maxOpenFiles': 'RLIMIT_NOFILE',
    'SecurityOptionsBuilder.maxFileSizeBytes': 'RLIMIT_FSIZE',
    'SecurityOptionsBuilder.maxProcesses': 'RLIMIT_NPROC',
    'SecurityOptionsBuilder.maxMemoryBytes': 'RLIMIT_AS',
    'SecurityOptionsBuilder.maxCpuTimeSeconds': 'RLIMIT_CPU',
    'SecurityOptionsBuilder.sandboxProfile': 'sets the profile of macOS',
    'SecurityOptionsBuilder.networkEnabled': 'turns the network of the sandbox of macOS on or off',
    'SecurityOptionsBuilder.build': 'makes the options',
    'SecurityOptionsBuilder: example': 'the examples of the section, as written',
  }),
  section('newer reference', 'SecurityOptionsBuilder', {
    'SecurityOptionsBuilder.enabled': 'starts at that preset',
  }),
  section('contract', 'SecurityOptionsBuilder', {
    'SecurityOptionsBuilder.disabled': 'starts at that preset',
    'SecurityOptionsBuilder.allowUnjailed':
      'lets uml go without the jailer, which it otherwise refuses',
    'SecurityOptionsBuilder.umlPtrace':
      'runs uml in the mode in which its kernel is out of reach of its programs',
    'SecurityOptionsBuilder: conflicts':
      'asking for what only the jailer does, without it, is InvalidArgument',
  }),
  section('both references', 'ResourceLimits', {
    'ResourceLimits.maxOpenFiles': 'open descriptors of the VMM',
    'ResourceLimits.maxFileSize': 'bytes of a file that the VMM writes',
    'ResourceLimits.maxProcesses': 'processes of the user of the VMM',
    'ResourceLimits.maxMemory': 'bytes of memory that the VMM addresses',
    'ResourceLimits.maxCpuTime': 'seconds of processor time of the VMM',
  }),
  section('contract', 'What a taken-over VMM gets', {
    'Jail: taken over': shown('nothing', 'jail/escape', 'a VMM that was taken over > gets nothing'),
  }),
] as const;
