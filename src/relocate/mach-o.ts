// Mach-O as <mach-o/loader.h> and <mach-o/fat.h> have it.
import { type ByteSource, malformed, readExactly } from "./byte-source.js";
import { type Shape, fieldReader } from "./fields.js";

/** One Mach-O file: a whole file, or a slice of a fat one. Offsets inside count from its start. */
export interface MachO extends Shape {
  readonly start: number;
  readonly size: number;
  /** mach_header.filetype: 2 is a program, 6 a library. */
  readonly type: number;
  readonly headerSize: number;
  readonly commands: readonly LoadCommand[];
}

export interface LoadCommand {
  readonly type: number;
  /** Offset in the file, not the slice. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** LC_*, without LC_REQ_DYLD. */
export const loadCommand = { segment: 0x1, segment64: 0x19, codeSignature: 0x1d } as const;

/** LC_* that hold a path; all have its lc_str first. */
export const pathCommands: ReadonlySet<number> = new Set([
  0xc, // LC_LOAD_DYLIB
  0xd, // LC_ID_DYLIB
  0xe, // LC_LOAD_DYLINKER
  0xf, // LC_ID_DYLINKER
  0x18, // LC_LOAD_WEAK_DYLIB
  0x1c, // LC_RPATH
  0x1f, // LC_REEXPORT_DYLIB
  0x20, // LC_LAZY_LOAD_DYLIB
  0x23, // LC_LOAD_UPWARD_DYLIB
]);

/** A Java class has the magic of a fat file, and more than this where that counts its slices. */
const mostSlices = 9;
const mostCommands = 4096;

/**
 * The Mach-O files in a file, thin or fat; none in what is not one.
 * @throws Failure `relocate.malformed`
 */
export function parseMachO(source: ByteSource): MachO[] {
  const head = source.read(0, 8);
  if (head.length < 8) return [];
  const [magic, count] = numbers(head, { wide: false, little: false });
  const fat = fatShapes.get(magic ?? 0);
  if (fat === undefined) return parseSlice(source, 0, source.size);
  const slices = fat.little ? numbers(head, fat)[1] : count;
  if (slices === undefined || slices > mostSlices) return [];
  // fat_arch: cputype, cpusubtype, offset, size, align; the last three 64 bits wide and one more 32 in fat_arch_64.
  const entrySize = fat.wide ? 32 : 20;
  const table = fieldReader(readExactly(source, 8, slices * entrySize, "fat header"), fat);
  return Array.from({ length: slices }, () => {
    table.u32();
    table.u32();
    const slice = { offset: table.word(), size: table.word() };
    table.u32();
    if (fat.wide) table.u32();
    return slice;
  }).flatMap(({ offset, size }) => {
    if (offset + size > source.size) throw malformed(`a slice of the fat file ends at ${offset + size}`);
    return parseSlice(source, offset, size);
  });
}

const fatShapes: ReadonlyMap<number, Shape> = new Map([
  [0xcafebabe, { wide: false, little: false }],
  [0xbebafeca, { wide: false, little: true }],
  [0xcafebabf, { wide: true, little: false }],
]);

const shapes: ReadonlyMap<number, Shape> = new Map([
  [0xfeedface, { wide: false, little: false }],
  [0xfeedfacf, { wide: true, little: false }],
  [0xcefaedfe, { wide: false, little: true }],
  [0xcffaedfe, { wide: true, little: true }],
]);

function numbers(bytes: Uint8Array, shape: Shape): number[] {
  const fields = fieldReader(bytes, shape);
  return [fields.u32(), fields.u32()];
}

function parseSlice(source: ByteSource, start: number, size: number): MachO[] {
  if (size < 28) return [];
  const [magic] = numbers(readExactly(source, start, 8, "Mach-O header"), { wide: false, little: false });
  const shape = shapes.get(magic ?? 0);
  if (shape === undefined) return [];
  const headerSize = shape.wide ? 32 : 28;
  // cputype and cpusubtype stand between the magic and the file type.
  const header = fieldReader(readExactly(source, start, headerSize, "Mach-O header"), shape, 12);
  const [type, count, length] = [header.u32(), header.u32(), header.u32()];
  if (headerSize + length > size || count > mostCommands)
    throw malformed(`${count} load commands in ${length} bytes`);
  const area = readExactly(source, start + headerSize, length, "load commands");
  const commands: LoadCommand[] = [];
  for (let at = 0; commands.length < count; ) {
    if (at + 8 > length) throw malformed("a load command is outside the header");
    const fields = fieldReader(area, shape, at);
    const [command, commandSize] = [fields.u32(), fields.u32()];
    if (commandSize < 8 || at + commandSize > length)
      throw malformed(`a load command of ${commandSize} bytes`);
    commands.push({
      type: command & 0x7fffffff,
      at: start + headerSize + at,
      bytes: area.subarray(at, at + commandSize),
    });
    at += commandSize;
  }
  return [{ ...shape, start, size, type, headerSize, commands }];
}
