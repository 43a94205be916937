import { BoxliteRuntime, type EngineReport } from '../../index.ts';
import { parseOptions, UsageError } from '../arguments.ts';

export const doctorUsage = `boxlite doctor [--format text|json]

Tells what this host can run boxes on, what was tried, and what to do about what does not work.`;

export async function doctor(args: readonly string[]): Promise<number> {
  const { format = 'text' } = parseOptions(args, { format: { type: 'string' } }, 'doctor');
  if (!['text', 'table', 'json'].includes(format)) {
    throw new UsageError(`--format: expected text or json, got "${format}"`);
  }
  await using runtime = new BoxliteRuntime();
  const reports = await runtime.engines({ retry: true });
  const text = format === 'json' ? JSON.stringify(reports, null, 2) : describe(reports);
  process.stdout.write(`${text}\n`);
  return reports.some((report) => report.usable) ? 0 : 1;
}

function describe(reports: readonly EngineReport[]): string {
  const chosen = reports.find((report) => report.usable);
  const lines = reports.flatMap((report) => [
    `${report.engine.padEnd(4)} ${report.usable ? 'works' : 'does not work'}`,
    ...details(report).map((line) => `     ${line}`),
  ]);
  const verdict = chosen === undefined ? 'No engine works here.' : `"auto" takes ${chosen.engine}.`;
  const advice = reports.some((report) => report.kernel?.origin === 'distribution')
    ? '\nFor a faster start, build our own kernels once: boxlite kernel build (about 6 minutes each).'
    : '';
  return `${lines.join('\n')}\n\n${verdict}${advice}`;
}

function details(report: EngineReport): string[] {
  const { kernel, vmm, bootMs, reason, remedy, tried } = report;
  const steps = tried.map((step) => `tried: ${step}`);
  if (!report.usable) {
    const why = (reason ?? '').split('\n').map((line) => `why: ${line}`);
    return [...steps, ...why, ...(remedy === null ? [] : [`do: ${remedy}`])];
  }
  return [
    ...steps,
    `kernel: ${kernel?.version} (${kernel?.origin}, ${kernel?.path})`,
    ...(vmm === null || vmm === kernel?.version ? [] : [`VMM: ${vmm}`]),
    ...(bootMs === null ? [] : [`a probe guest booted in ${bootMs} ms`]),
  ];
}
