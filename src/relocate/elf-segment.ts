import { type Elf, type Segment, segmentType } from "./elf.js";
import type { Patch } from "./patch.js";

/** Where something is in the file and, loaded, in memory. */
export interface Place {
  readonly offset: number;
  readonly address: number;
}

/** A segment being filled, behind all others in the file and in memory. */
export interface NewSegment {
  /** The segment of an earlier growth, which this one is with more in it. */
  readonly extended: Segment | undefined;
  /** Puts bytes in; their offset and address are `residue` beyond a multiple of `align`, a power of two. */
  add(bytes: Uint8Array, alignment?: { align: number; residue: number }): Place;
  header(): Segment;
  patches(): readonly Patch[];
}

/** PF_R */
const readable = 4;
/** No page is larger; a larger alignment in a file is nonsense. */
const largestAlign = 2 ** 30;

/** @returns why there is no place for a segment, as a clause */
export function createSegment(elf: Elf): NewSegment | string {
  const loads = elf.segments.filter(({ type }) => type === segmentType.load);
  if (loads.length === 0) return "loads nothing";
  const page = Math.max(4096, ...loads.map(({ align }) => align));
  if (!isPowerOfTwo(page) || page > largestAlign) return `aligns its segments to ${page} bytes`;
  const end = Math.max(...loads.map(({ address, memorySize }) => address + memorySize));
  const extended = loads.find(
    (s) =>
      s.flags === readable &&
      s.fileSize === s.memorySize &&
      s.offset + s.fileSize === elf.source.size &&
      s.address + s.memorySize === end,
  );
  const limit = elf.wide ? Number.MAX_SAFE_INTEGER : 2 ** 32;

  // Offset and address agree modulo the page size, so that the file needs no padding.
  const offset = extended?.offset ?? alignUp(elf.source.size, 16);
  const address = extended?.address ?? alignUp(end, page) + (offset % page);
  if (address + elf.source.size * 2 > limit) return "has no free addresses behind it";
  const patches: Patch[] = [];
  let size = extended?.fileSize ?? 0;
  return {
    extended,
    add(bytes, { align, residue } = { align: 16, residue: 0 }) {
      const at = alignUp(offset + size - residue, align) + residue;
      patches.push({ offset: at, bytes });
      size = at + bytes.length - offset;
      return { offset: at, address: address + (at - offset) };
    },
    header: () => ({
      type: segmentType.load,
      flags: readable,
      offset,
      address,
      physicalAddress: address,
      fileSize: size,
      memorySize: size,
      align: page,
    }),
    patches: () => patches,
  };
}

export const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));

const alignUp = (value: number, align: number): number => Math.ceil(value / align) * align;
