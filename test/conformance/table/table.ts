/** Every promise of the references and of our public API page, gone through line by line. */
import { box } from './box.ts';
import { cli } from './cli.ts';
import { commands } from './commands.ts';
import { options } from './options.ts';
import type { Claim, Section } from './row.ts';
import { runtime } from './runtime.ts';
import { security } from './security.ts';
import { values } from './values.ts';

const sections = [
  ...runtime,
  ...box,
  ...commands,
  ...options,
  ...security,
  ...values,
  ...cli,
] as const;

type Sections = (typeof sections)[number];
type OwnKeys<C> = { [K in keyof C]: C[K] extends string ? K : never }[keyof C];
/** The rows that are shown in test/conformance itself: each by the test of its name. */
export type OwnRow = Sections extends infer S
  ? S extends Section<infer C>
    ? OwnKeys<C>
    : never
  : never;

/** The table. */
export const table: readonly Section<Readonly<Record<string, Claim>>>[] = sections;
