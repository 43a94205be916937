// pure
/** A process as the system lists it, read from what Linux and `ps` print. */

/** A process at one moment. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Its session, by the pid of who began it; 0 where the system does not tell. */
  readonly session: number;
  /** When it started, in the system's own terms: only good for comparing. */
  readonly start: string;
  /** `ended`: a zombie, which only waits for its parent to look. */
  readonly state: 'running' | 'stopped' | 'ended';
  /** Processor time of it and of the children it has waited for. */
  readonly cpuMs: number;
}

/** Ticks of a second in /proc: USER_HZ, which is 100 on every architecture we run on. */
const TICK_MS = 10;

/** `/proc/<pid>/stat` (proc_pid_stat(5)). Null if it is cut short. */
export function parseProcStat(text: string): ProcessEntry | null {
  // The name is in parentheses and may have spaces and parentheses itself.
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // The manual counts from 1, and the state is field 3.
  const field = (number: number) => fields[number - 3] ?? '';
  const start = field(22);
  if (!Number.isSafeInteger(pid) || start === '') return null;
  const ticks = [14, 15, 16, 17].reduce((sum, number) => sum + Number(field(number)), 0);
  return {
    pid,
    parent: Number(field(4)),
    session: Number(field(6)),
    start,
    state: stateOf(field(3)),
    cpuMs: ticks * TICK_MS,
  };
}

/** Makes `ps` print what {@link parsePs} reads. macOS takes what follows a `=` for a heading. */
export const psColumns = ['pid=', 'ppid=', 'stat=', 'time=', 'lstart='].flatMap((c) => ['-o', c]);

/** Lines of `ps` with {@link psColumns}, as macOS, the BSDs and Linux print them. */
export function parsePs(output: string): ProcessEntry[] {
  return output
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+([\d:.-]+)\s+(\S.*?)\s*$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, state = '', time = '', start = '']) => ({
      pid: Number(pid),
      parent: Number(parent),
      session: 0,
      start: start.replace(/\s+/g, ' '),
      state: stateOf(state.slice(0, 1)),
      cpuMs: parsePsTime(time),
    }));
}

/** `[[days-]hours:]minutes:seconds[.hundredths]` */
function parsePsTime(time: string): number {
  const [days, rest] = time.includes('-') ? time.split('-', 2) : ['0', time];
  const seconds = (rest ?? '').split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}

function stateOf(letter: string): ProcessEntry['state'] {
  if (letter === 'Z' || letter === 'X' || letter === 'x') return 'ended';
  return letter === 'T' || letter === 't' ? 'stopped' : 'running';
}
