import { type BoxInfo, BoxliteRuntime, BoxStatus } from '../../index.ts';
import { portText } from '../../spec/port-text.ts';
import { parseOptions, UsageError } from '../arguments.ts';
import { pairs } from '../box-options.ts';
import { ago, listFormat, table } from '../table.ts';

export const lsUsage = `boxlite ls [-a] [-q] [--format table|json] [--filter label=NAME=VALUE]...

Lists the boxes that run, the newest first.

  -a, --all             those that do not run, too
  -q, --quiet           ids alone
      --filter FILTER   label=NAME=VALUE or status=STATUS

Examples:
    boxlite ls
    boxlite ls -a -q --filter status=stopped`;

const options = {
  all: { type: 'boolean', short: 'a' },
  quiet: { type: 'boolean', short: 'q' },
  format: { type: 'string' },
  filter: { type: 'string', short: 'f', multiple: true },
} as const;

export async function ls(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, options, 'ls');
  const format = listFormat(values.format);
  await using runtime = new BoxliteRuntime();
  const boxes = await runtime.listInfo(filterOf(values.filter ?? [], values.all === true));
  if (values.quiet === true) process.stdout.write(boxes.map(({ id }) => `${id}\n`).join(''));
  else if (format === 'json') process.stdout.write(`${JSON.stringify(boxes, null, 2)}\n`);
  else process.stdout.write(tableOf(boxes));
  return 0;
}

function filterOf(filters: readonly string[], all: boolean) {
  const status: BoxStatus[] = [];
  const labels: string[] = [];
  for (const filter of filters) {
    const [kind, ...words] = filter.split('=');
    const value = words.join('=');
    if (kind === 'label' && words.length > 1) labels.push(value);
    else if (kind === 'status') status.push(value as BoxStatus);
    else {
      const expected = 'label=NAME=VALUE or status=STATUS';
      throw new UsageError(`--filter: expected ${expected}, got "${filter}"`);
    }
  }
  if (status.length === 0 && !all) status.push(BoxStatus.Running, BoxStatus.Stopping);
  return { ...(status.length === 0 ? {} : { status }), labels: pairs(labels) };
}

function tableOf(boxes: readonly BoxInfo[]): string {
  const now = new Date();
  return table(
    ['ID', 'NAME', 'IMAGE', 'STATUS', 'ENGINE', 'CREATED', 'PORTS'],
    boxes.map((box) => [
      box.id.asStr(),
      box.name ?? '',
      box.image,
      box.status === 'stopped' && box.exitReason !== null
        ? `stopped (${box.exitReason.split('\n')[0]})`
        : box.status,
      box.engine ?? '',
      ago(box.createdAt, now),
      box.ports.map(portText).join(', '),
    ]),
  );
}
