// pure
import { Bytes } from '../base/sizes.ts';
import { invalid, type Read, wholeNumber } from './reader.ts';

/** A size in MiB: a number of them, or Bytes. */
export function mebibytes(min: number, max: number, note = ''): Read<number> {
  return sizeIn('MiB', Bytes.fromMib(1), wholeNumber(min, max, note));
}

/** The largest an ext4 with blocks of 4 KiB is sure to be read by every kernel. */
const DISK_GIB_MAX = 16_384;

/** The size of a box's disk in GiB: a number of them, or Bytes. */
export const diskSizeGb: Read<number> = (value, path) =>
  sizeIn('GiB', Bytes.fromGib(1), wholeNumber(1, DISK_GIB_MAX))(value, path);

function sizeIn(unit: string, one: Bytes, count: Read<number>): Read<number> {
  return (value, path) => {
    if (!(value instanceof Bytes)) return count(value, path);
    const units = value.asBytes() / one.asBytes();
    if (!Number.isInteger(units)) throw invalid(path, `whole ${unit}`, value.toString());
    return count(units, path);
  };
}
