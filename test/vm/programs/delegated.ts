/** Finds a place for control groups that have this controller, and holds a process in one: `CONTROLLER`. Tells as JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Controller } from '../../../src/jail/control-group.ts';
import { ControlGroup, findGroupPlace } from '../../../src/runtime/control-groups.ts';

const place = findGroupPlace([process.argv[2] as Controller]);
if (!('folder' in place)) throw new Error(place.reason);
const child = spawn('sleep', ['600'], { stdio: 'ignore' });
const exited = once(child, 'exit');
const pid = child.pid ?? 0;
const group = await ControlGroup.around(pid, { place, box: 'box', settings: [] });
const inside = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
await group[Symbol.asyncDispose]();
const [, signal] = await exited;
console.log(JSON.stringify({ folder: place.folder, inside, signal }));
