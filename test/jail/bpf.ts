/** The kernel's classic BPF machine as far as seccomp uses it, to ask a filter what it would decide. */

/** What the kernel shows to a filter of one system call. */
export interface Call {
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

const NUMBER_AND_ARCHITECTURE = 8;
const INSTRUCTION_POINTER = 8;
const DATA_BYTES = 64;

function dataOf({ arch, number, args = [] }: Call): DataView {
  const view = new DataView(new ArrayBuffer(DATA_BYTES));
  view.setUint32(0, number, true);
  view.setUint32(4, arch, true);
  for (const [i, value] of args.entries()) {
    view.setBigUint64(NUMBER_AND_ARCHITECTURE + INSTRUCTION_POINTER + i * 8, value, true);
  }
  return view;
}

/** The verdict of a filter. Throws where the kernel would not take it. */
export function decide(filter: Uint8Array, call: Call): number {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const data = dataOf(call);
  let a = 0;
  for (let at = 0; at < filter.byteLength; at += 8) {
    const operand = program.getUint32(at + 4, true);
    const jump = (taken: boolean) => {
      at += 8 * program.getUint8(taken ? at + 2 : at + 3);
    };
    const code = program.getUint16(at, true);
    if (code === 0x20) a = data.getUint32(operand, true);
    else if (code === 0x54) a = (a & operand) >>> 0;
    else if (code === 0x05) at += 8 * operand;
    else if (code === 0x15) jump(a === operand);
    else if (code === 0x25) jump(a > operand);
    else if (code === 0x35) jump(a >= operand);
    else if (code === 0x06) return operand;
    else throw new Error(`unknown instruction 0x${code.toString(16)}`);
  }
  throw new Error('it ends without a verdict');
}
