// pure
import type { BoxSpec } from '../spec/box-spec.ts';
import type { CommandSpec } from '../spec/command.ts';
import { environment } from './environment.ts';
import type { ExecRequest } from './execution.ts';
import type { ImageDefaults } from './lite-box.ts';
import { secretEnvironment } from './secret-environment.ts';

/** The size of a terminal nobody has said the size of. */
const DEFAULT_TERMINAL = { rows: 24, cols: 80 } as const;

/** A command with its defaults: the box's where it says nothing, and the image's where they say nothing. */
export function execRequest(
  asked: CommandSpec,
  { spec, hostname }: { readonly spec: BoxSpec; readonly hostname: string },
  image: ImageDefaults | null,
): ExecRequest {
  const own = asked.workingDir ?? spec.workingDir;
  return {
    argv: asked.argv,
    env: environment([image?.env ?? [], secretEnvironment(spec), spec.env, asked.env], {
      hostname,
      tty: asked.tty,
    }),
    cwd: own ?? image?.workingDir ?? '/',
    // What an image names need not be in it; what a caller names is his to have.
    makeCwd: own === null,
    user: asked.user ?? spec.user ?? image?.user ?? '',
    tty: asked.tty ? (asked.ttySize ?? DEFAULT_TERMINAL) : null,
    timeoutMs: asked.timeoutMs,
  };
}
