import { spawn } from 'node:child_process';

/**
 * Has the terminal on this program's descriptor 0 show what it gets as it is: with output processing it would put a
 * carriage return before every line feed, and a full-screen program means a line feed alone. Node's raw mode leaves
 * this out. It ends with that mode, and where there is no `stty` things look a little worse, so that no failure counts.
 */
export async function showOutputRaw(): Promise<void> {
  // Not in a session or group of its own: the terminal takes settings from the foreground only.
  const stty = spawn('stty', ['-opost'], { stdio: [0, 'ignore', 'ignore'] });
  await new Promise<void>((resolve) => {
    stty.once('error', () => resolve());
    stty.once('close', () => resolve());
  });
}
