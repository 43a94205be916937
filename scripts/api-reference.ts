/**
 * Makes `docs/API.md`, the reference of everything exported, from the declarations and docstrings in src/.
 *
 *     node scripts/api-reference.ts [--check]
 *
 * A name that is used in the public interface and not exported is an error, as is one that has no place here yet.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { keepGenerated } from './generated.ts';

const top = fileURLToPath(new URL('..', import.meta.url));

/** Every exported name under its heading, in the order of the page. */
const sections: Readonly<Record<string, readonly string[]>> = {
  Runtime: ['BoxliteRuntime', 'BoxliteOptions', 'EngineChoice', 'EngineName', 'EngineReport'],
  'Box options': [
    ...[
      'BoxOptions',
      'RootfsSpec',
      'EnvironmentVariables',
      'EnvironmentPair',
      'NetworkSpec',
      'NetworkMode',
    ],
    ...['PortSpec', 'PortProtocol', 'Secret', 'VolumeSpec', 'AdvancedBoxOptions'],
  ],
  Boxes: ['LiteBox', 'BoxInfo', 'PublishedPort', 'LogEntry', 'BoxState', 'BoxStatus'].concat(
    ['isActive', 'isRunning', 'isConfigured', 'isStopped', 'isTransient'],
    ['canStart', 'canStop', 'canRemove', 'canRun'],
  ),
  Commands: [
    ...['BoxCommand', 'TerminalSize', 'Execution', 'ExecResult', 'ExecStdin'],
    ...['ExecStdout', 'ExecStderr', 'ExecOutput'],
  ],
  Files: [
    ...['CopyOptions', 'BoxFileSystem', 'FilePath', 'FileData', 'FileTime', 'OpenFlags'],
    ...['EncodingOption', 'ReadFileOptions', 'WriteFileOptions', 'ReaddirOptions'],
    ...['ReadStreamOptions', 'WriteStreamOptions', 'BoxFileHandle', 'HandlePart'],
    ...['BoxDirectory', 'BoxDirent', 'BoxStats', 'FileWatch', 'WatchOptions', 'FileChange'],
  ],
  Network: [
    ...['BoxNetwork', 'PortName', 'NetworkEvent', 'NetworkRefusal'],
    ...['ConnectionRecord', 'ConnectionState'],
  ],
  Images: [
    ...['ImageStore', 'ImageInfo', 'ImageConfig', 'ImagePullOptions', 'ImageProgress'],
    ...['PullProgress', 'LayerProgress', 'ConvertProgress', 'ImagePruneResult'],
    ...['ImageRegistry', 'RegistryTransport', 'RegistryAuth'],
  ],
  Volumes: [
    ...['MemoryVolume', 'MemoryVolumeOptions', 'VolumeProvider', 'VolumeNode', 'VolumeFile'],
    ...['VolumeFileType', 'VolumeStat', 'VolumeChanges', 'VolumeFound', 'VolumeEntry'],
    ...['VolumeOpenFlags', 'VolumeCreateFlags', 'VolumeRenameFlags', 'VolumeAttributeFlags'],
    'VolumeSpace',
  ],
  Security: [
    ...['SecurityOptions', 'SecurityOptionsBuilder', 'SecuritySettings'],
    ...['ResourceLimits', 'ResourceLimitsOptions'],
  ],
  Metrics: ['BoxMetrics', 'RuntimeMetrics'],
  'Types and errors': [
    ...['BoxliteError', 'BoxliteErrorKind', 'boxliteErrorKinds', 'BoxID', 'BoxIDMint'],
    ...['ContainerID', 'Bytes', 'Seconds'],
  ],
  Kernels: ['buildKernels', 'BuildKernelsOptions', 'listKernels', 'Kernel', 'KernelFlavor'].concat([
    'KernelProgress',
    'KernelStage',
    'OnKernelProgress',
    'Architecture',
  ]),
};

/** An item of the extractor's model, as far as it is read here. */
interface Item {
  readonly kind: string;
  readonly name?: string;
  readonly docComment?: string;
  readonly excerptTokens?: readonly { readonly text: string }[];
  readonly members?: readonly Item[];
}

/** The model of the package's public interface. Throws if something in it is amiss. */
function extract(folder: string): readonly Item[] {
  const declarations = join(folder, 'types');
  const compile = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', declarations];
  const tsc = spawnSync(join(top, 'node_modules/.bin/tsc'), compile, {
    cwd: top,
    stdio: 'inherit',
  });
  if (tsc.status !== 0) throw new Error('the declarations could not be made');
  const entry = join(declarations, 'index.d.ts');
  const model = join(folder, 'api.json');
  const mistakes: string[] = [];
  Extractor.invoke(
    ExtractorConfig.prepare({
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: entry,
        compiler: { overrideTsconfig: { compilerOptions: compilerOptions(), files: [entry] } },
        docModel: { enabled: true, apiJsonFilePath: model },
        apiReport: { enabled: false },
        dtsRollup: { enabled: false },
        messages: {
          extractorMessageReporting: {
            'ae-forgotten-export': { logLevel: ExtractorLogLevel.Error },
          },
        },
      },
      configObjectFullPath: undefined,
      packageJsonFullPath: join(top, 'package.json'),
    }),
    {
      localBuild: true,
      messageCallback(message) {
        message.handled = true;
        if (message.logLevel === ExtractorLogLevel.Error) mistakes.push(message.text);
      },
    },
  );
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  const [entryPoint] = (JSON.parse(readFileSync(model, 'utf8')) as Item).members ?? [];
  return entryPoint?.members ?? [];
}

function compilerOptions() {
  return {
    target: 'ES2024',
    lib: ['ES2024', 'ESNext.Disposable'],
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    types: ['node'],
    typeRoots: [join(top, 'node_modules/@types')],
    strict: true,
    skipLibCheck: true,
  };
}

function page(items: readonly Item[]): string {
  const placed = Object.values(sections).flat();
  const homeless = items.filter(({ name = '' }) => !placed.includes(name));
  if (homeless.length > 0) {
    const names = homeless.map(({ name }) => name).join(', ');
    throw new Error(`give these a section in scripts/api-reference.ts: ${names}`);
  }
  const parts = Object.entries(sections).map(([title, names]) => {
    const described = names.map((name) => itemsOf(items, name).map(describeItem).join('\n'));
    return `## ${title}\n\n${described.join('\n')}`;
  });
  const contents = Object.keys(sections).map(
    (title) => `[${title}](#${title.toLowerCase().replaceAll(' ', '-')})`,
  );
  return `# API reference

Everything that \`import … from 'boxlite'\` offers, made from the source's own docstrings by \`scripts/api-reference.ts\`.
A plain number of time is in milliseconds unless its name says otherwise.

${contents.join(' · ')}

${parts.join('\n')}`;
}

/** Overloads, and a type beside its values, share a name. Each name has to be there. */
function itemsOf(items: readonly Item[], name: string): readonly Item[] {
  const found = items.filter((item) => item.name === name);
  if (found.length === 0) throw new Error(`scripts/api-reference.ts: "${name}" is not exported`);
  return found;
}

function describeItem(item: Item): string {
  const { name = '', kind, members = [] } = item;
  const declared = declaration(item);
  const head = `### ${name}\n\n${code(declared)}\n\n${prose(item.docComment)}`;
  const own = members.filter(({ name = '' }) => name !== '[Symbol.asyncDispose]');
  const rows = own.map((member) => describeMember(member, kind === 'Class' ? name : null));
  return `${head}\n${rows.length === 0 ? '' : `\n${rows.join('\n')}\n`}`;
}

/** One point of a list, with what is to be said indented below it. */
function describeMember(member: Item, className: string | null): string {
  const declared = declaration(member).replace(/^constructor/, `new ${className ?? ''}`);
  const said = prose(member.docComment);
  if (said === '') return `- ${code(declared)}`;
  return `- ${code(declared)}\n\n${said.replaceAll(/^(?=.)/gm, '  ')}\n`;
}

function declaration({ excerptTokens = [] }: Item): string {
  const whole = excerptTokens.map(({ text }) => text).join('');
  return whole
    .replaceAll(/\s+/g, ' ')
    .replace(/^export (declare )?/, '')
    .replace(/;\s*$/, '')
    .trim();
}

/** In one line. A declaration may hold a backquote, in a template type. */
function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** What a docstring says, as Markdown. */
function prose(comment = ''): string {
  const lines = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''));
  return lines
    .join('\n')
    .replaceAll(/\{@link ([^}|]+?)(?:\s*\|[^}]*)?\}/g, '`$1`')
    .replaceAll(/@throws\s*/g, 'Throws ')
    .replaceAll(/@returns\s*/g, 'Returns ')
    .replaceAll(/@param (\w+) -?/g, '`$1`:')
    .replaceAll(/Constructs a new instance of the .* class\n?/g, '')
    .replaceAll(
      /@example\n([\s\S]*?)(?=\n@|$)/g,
      (_, example: string) => `For example:\n\n\`\`\`ts\n${example.trim()}\n\`\`\``,
    )
    .replaceAll('@internal', '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

const folder = mkdtempSync(join(tmpdir(), 'boxlite-api-'));
try {
  keepGenerated('docs/API.md', page(extract(folder)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
