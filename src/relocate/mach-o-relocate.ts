import { malformed } from "./byte-source.js";
import { fieldBytes, fieldReader } from "./fields.js";
import { type LoadCommand, loadCommand, type MachO, pathCommands } from "./mach-o.js";
import type { Patch } from "./patch.js";
import { bufferOf, type PrefixMap, replaceStart } from "./prefix-map.js";
import type { RelocationProblem } from "./problem.js";

export interface MachOChanges {
  readonly patches: readonly Patch[];
  readonly problems: readonly RelocationProblem[];
}

/**
 * Replaces old prefixes at the start of install names, paths of libraries and rpaths. A path that outgrows its load
 * command moves those behind it, as far as linkers left room behind the header (`-headerpad_max_install_names`).
 * @throws Failure `relocate.malformed`
 */
export function relocateMachO(file: MachO, map: PrefixMap): MachOChanges {
  const changed = file.commands.map((command) => {
    const path = pathCommands.has(command.type) ? pathOf(file, command) : undefined;
    const to = path === undefined ? undefined : replaceStart(path.text, map);
    return path === undefined || to === undefined
      ? undefined
      : { command, path, bytes: withPath(file, command, to) };
  });
  if (changed.every((change) => change === undefined)) return { patches: [], problems: [] };
  const commands = file.commands.map((command, i) => changed[i]?.bytes ?? command.bytes);
  const size = sizeOf(commands);
  if (size === sizeOf(file.commands.map(({ bytes }) => bytes)))
    return {
      patches: changed.flatMap((change) =>
        change === undefined ? [] : [{ offset: change.command.at, bytes: change.bytes }],
      ),
      problems: [],
    };
  if (size <= roomOf(file))
    return {
      patches: [
        { offset: file.start + file.headerSize, bytes: Buffer.concat(commands) },
        // mach_header.sizeofcmds
        { offset: file.start + 20, bytes: fieldBytes([["u32", size]], file) },
      ],
      problems: [],
    };
  const fits = (change: { command: LoadCommand; bytes: Uint8Array }): boolean =>
    change.bytes.length === change.command.bytes.length;
  const found = changed.filter((change) => change !== undefined);
  return {
    patches: found.filter(fits).map(({ command, bytes }) => ({ offset: command.at, bytes })),
    problems: found
      .filter((change) => !fits(change))
      .map(({ command, path }) => ({
        kind: "cannot-grow",
        offset: command.at + path.offset,
        text: path.text.toString(),
        room: command.bytes.length - path.offset - 1,
      })),
  };
}

const sizeOf = (commands: readonly Uint8Array[]): number =>
  commands.reduce((sum, { length }) => sum + length, 0);

function pathOf(file: MachO, { bytes }: LoadCommand): { offset: number; text: Buffer } {
  if (bytes.length < 12) throw malformed("a load command has no room for its path");
  const offset = fieldReader(bytes, file, 8).u32();
  if (offset < 12 || offset > bytes.length) throw malformed("the path of a load command is outside of it");
  const text = bufferOf(bytes).subarray(offset);
  const end = text.indexOf(0);
  return { offset, text: end === -1 ? text : text.subarray(0, end) };
}

/** The load command with another path, as long as before where it has room, NUL behind it. */
function withPath(file: MachO, command: LoadCommand, path: Buffer): Buffer {
  const { offset } = pathOf(file, command);
  const align = file.wide ? 8 : 4;
  const size = Math.max(command.bytes.length, Math.ceil((offset + path.length + 1) / align) * align);
  const bytes = Buffer.alloc(size);
  bytes.set(command.bytes.subarray(0, offset));
  bytes.set(path, offset);
  // load_command.cmdsize
  bytes.set(fieldBytes([["u32", size]], file), 4);
  return bytes;
}

/** Bytes that load commands may have: up to the first byte of a section. */
function roomOf(file: MachO): number {
  const starts = file.commands
    .flatMap((command) => sectionOffsets(file, command))
    .filter((offset) => offset > 0);
  const area = sizeOf(file.commands.map(({ bytes }) => bytes));
  return starts.length === 0 ? area : Math.min(file.size, ...starts) - file.headerSize;
}

/** File offsets of a segment command's sections (0 for what has no bytes in the file), or of the segment itself. */
function sectionOffsets(file: MachO, { type, bytes }: LoadCommand): number[] {
  const wide = type === loadCommand.segment64;
  if (!wide && type !== loadCommand.segment) return [];
  // segment_command: cmd, cmdsize, segname[16], vmaddr, vmsize, fileoff, filesize, maxprot, initprot, nsects, flags.
  const [headerSize, sectionSize, offsetAt] = wide ? [72, 80, 48] : [56, 68, 40];
  if (bytes.length < headerSize) throw malformed(`a segment command of ${bytes.length} bytes`);
  const shape = { wide, little: file.little };
  const fields = fieldReader(bytes, shape, 24);
  fields.word();
  fields.word();
  const offset = fields.word();
  const sections = Math.floor((bytes.length - headerSize) / sectionSize);
  return [
    offset,
    ...Array.from({ length: sections }, (_, i) =>
      fieldReader(bytes, shape, headerSize + i * sectionSize + offsetAt).u32(),
    ),
  ];
}
