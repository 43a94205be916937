import { section, shown } from './row.ts';

/** What a box can be told to be. */
export const options = [
  section('both references', 'BoxOptions', {
    'BoxOptions.cpus': 'how many processors the box has',
    'BoxOptions.cpus: default': '2, or all of a host that has fewer',
    'BoxOptions.memoryMib': 'how much memory the box has',
    'BoxOptions.memoryMib: default': '512',
    'BoxOptions.diskSizeGb': 'how much the box may write; sparse, so that it takes what is written',
    'BoxOptions.workingDir': 'the directory in which commands start',
    'BoxOptions.env': 'variables of every command, as a list of pairs',
    'BoxOptions.rootfs': 'where the files of the box come from',
    'BoxOptions.volumes': 'files of the host in the box',
    'BoxOptions.network': 'what the box may reach',
    'BoxOptions.ports': 'ports of the box that the host listens on',
    'BoxOptions.autoRemove': 'whether stopping removes the box',
    'BoxOptions.autoRemove: default': 'true',
    'BoxOptions.detach': 'whether the box outlives the program that made it',
    'BoxOptions.detach: default': 'false',
    'BoxOptions: default': 'every option can be left out',
    'BoxOptions: example': 'the example of the section, as written, but for the name of the image',
  }),
  section('newer reference', 'BoxOptions', {
    'BoxOptions.secrets': 'values that reach their hosts without being in the box',
    'BoxOptions.advanced': 'options for experts; the defaults are secure',
  }),
  section('older reference', 'BoxOptions', {
    'BoxOptions.security': 'security at the top level, as the older reference has it',
    'BoxOptions.isolateMounts': 'isolateMounts at the top level, as the older reference has it',
  }),
  section('contract', 'BoxOptions', {
    'BoxOptions.cpus: range': '1 to the processors of the host, otherwise InvalidArgument',
    'BoxOptions.memoryMib: range': '64 to the memory of the host, otherwise InvalidArgument',
    'BoxOptions.memoryMib: Bytes': 'a size can be Bytes',
    'BoxOptions.diskSizeGb: range': '1 to 16384, otherwise InvalidArgument',
    'BoxOptions.diskSizeGb: default': '10',
    'BoxOptions.diskSizeGb: restarts': 'what was written survives restarts',
    'BoxOptions.env: record': 'variables as a record',
    'BoxOptions.user': 'who commands run as',
    'BoxOptions.entrypoint': 'the first words of the main command',
    'BoxOptions.cmd': 'the main command, or its arguments behind an entrypoint',
    'BoxOptions.labels': 'notes to find the box by',
    'BoxOptions.engine': 'what this box runs on; by default what the runtime says',
    'BoxOptions.bootTimeoutMs': 'how long booting may take',
    'BoxOptions.bootTimeoutMs: default': '30 000, and 120 000 with tcg',
    'BoxOptions.detach and autoRemove':
      'with detach, autoRemove is false by default; both true is InvalidArgument',
    'BoxOptions: two spellings':
      'security or isolateMounts both at the top level and in advanced is InvalidArgument',
    'BoxOptions: unknown key': 'an unknown key is InvalidArgument and named',
    'BoxOptions: wrong type':
      'a wrong type is InvalidArgument, with the path and what was expected',
    'BoxOptions: image defaults': shown(
      'workingDir, env, user, entrypoint and cmd of the image are the defaults',
      'vm/images',
      'an image > is found by its short name, pulled once, and boots',
      'an image > gives its settings, which box and command override',
    ),
  }),
  section('newer reference', 'AdvancedBoxOptions', {
    'AdvancedBoxOptions.security': 'how tightly the VMM is locked in',
    'AdvancedBoxOptions.security: default':
      'enabled, as the section Security and our contract say; the table of this section differs',
    'AdvancedBoxOptions.isolateMounts': 'bind mounts are isolated',
    'AdvancedBoxOptions.isolateMounts: default': 'false',
  }),
  section('both references', 'RootfsSpec', {
    'RootfsSpec.Image': 'an image by its reference: { image }',
    'RootfsSpec.RootfsPath': 'a root file system of the host: { rootfsPath }',
    'RootfsSpec: default': 'alpine:latest',
  }),
  section('contract', 'RootfsSpec', {
    'RootfsSpec: text': 'a text is the reference of an image',
    'RootfsSpec.rootfsPath: directory': 'a directory that holds a root file system',
    'RootfsSpec.rootfsPath: OCI layout': 'a folder in the format of OCI',
    'RootfsSpec.rootfsPath: OCI archive': 'an archive in the format of OCI',
    'RootfsSpec.rootfsPath: docker archive': 'an archive as docker save writes it',
    'RootfsSpec.rootfsPath: missing': 'a path that is not there is InvalidArgument',
  }),
  section('both references', 'VolumeSpec', {
    'VolumeSpec.hostPath': 'what of the host',
    'VolumeSpec.guestPath': 'where in the box',
    'VolumeSpec.readOnly': 'whether the box cannot write there',
  }),
  section('contract', 'VolumeSpec', {
    'VolumeSpec.hostPath: file': 'a single file can be a volume',
    'VolumeSpec.hostPath: missing': 'a missing path is InvalidArgument',
    'VolumeSpec.readOnly: default': 'false: both sides write',
  }),
  section('newer reference', 'NetworkSpec', {
    'NetworkSpec.Enabled': 'the box has a network, and reaches the outside',
    'NetworkSpec.Enabled.allowNet: empty': 'full outbound access',
    'NetworkSpec.Enabled.allowNet: host': shown(
      'exact hosts',
      'vm/policy',
      'a box with rules for names > reaches those names',
      'a box with rules for names > does not look up other names, not even at a server of its choice',
      'a box with rules for names > reaches no address that it was not given',
    ),
    'NetworkSpec.Enabled.allowNet: wildcard': shown(
      'wildcard hosts',
      'vm/policy',
      'a box with rules for names > reaches those names',
      'a box with rules for names > is not led to private addresses by names',
    ),
    'NetworkSpec.Enabled.allowNet: IP': 'an address, and no other',
    'NetworkSpec.Enabled.allowNet: CIDR': 'a block of addresses, and no other',
    'NetworkSpec.Disabled': 'the box has no network interface at all',
  }),
  section('older reference', 'NetworkSpec', {
    'NetworkSpec.Isolated': 'the older name of enabled',
  }),
  section('contract', 'NetworkSpec', {
    'NetworkSpec: text': "'enabled' and 'disabled' can stand alone",
    'NetworkSpec: default': 'enabled, without limits',
  }),
  section('newer reference', 'Secret', {
    'Secret.name': shown(
      'the name, by which the box finds the placeholder in its environment',
      'vm/secrets',
      'a box with secrets > has placeholders in its environment',
    ),
    'Secret.hosts': shown(
      'who alone gets the value',
      'vm/secrets',
      'a box with secrets > sends values to their hosts, by certificates that its programs trust',
      'a box with secrets > sends none to others, and says so',
    ),
    'Secret.value': shown(
      'what is put in the place of the placeholder, and is nowhere in the box',
      'vm/secrets',
      'a box with secrets > sends values to their hosts, by certificates that its programs trust',
      'a box with secrets > does so over HTTP/2 and over plain HTTP',
      'a box with secrets > has the value nowhere',
    ),
    'Secret.placeholder': 'what the box has in the place of the value',
    'Secret.placeholder: default': '<BOXLITE_SECRET:name>',
  }),
  section('both references', 'PortSpec', {
    'PortSpec.hostPort': 'the port of the host',
    'PortSpec.hostPort: assigned': 'absent or 0: the host chooses, and info().ports tells',
    'PortSpec.guestPort': 'the port of the box',
    'PortSpec.protocol: Tcp': 'TCP, the default',
    'PortSpec.protocol: Udp': shown(
      'UDP',
      'vm/ports',
      'a published port > carries datagrams of every size to whoever asked',
    ),
    'PortSpec.hostIp': 'the address of the host to listen on',
    'PortSpec.hostIp: default': '0.0.0.0',
  }),
  section('contract', 'PortSpec', {
    'PortSpec: network': 'ports without a network are InvalidArgument',
    'PortSpec: taken': shown(
      'a port that is taken fails the start, and the message names who has it',
      'vm/ports',
      'ports of a box > fail the start when they are taken, and name who has them',
    ),
  }),
] as const;
