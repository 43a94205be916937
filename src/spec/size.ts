// pure
import { Bytes } from '../base/sizes.ts';
import { invalid, type Read, wholeNumber } from './reader.ts';

/** A size in MiB: a number of them, or Bytes. */
export function mebibytes(min: number, max: number, note = ''): Read<number> {
  return sizeIn('MiB', Bytes.fromMib(1), wholeNumber(min, max, note));
}

/** A size in GiB: a number of them, or Bytes. */
export function gibibytes(min: number, max: number): Read<number> {
  return sizeIn('GiB', Bytes.fromGib(1), wholeNumber(min, max));
}

function sizeIn(unit: string, one: Bytes, count: Read<number>): Read<number> {
  return (value, path) => {
    if (!(value instanceof Bytes)) return count(value, path);
    const units = value.asBytes() / one.asBytes();
    if (!Number.isInteger(units)) throw invalid(path, `whole ${unit}`, value.toString());
    return count(units, path);
  };
}
