/** Class and byte order of an ELF file. */
export interface Shape {
  /** ELFCLASS64. */
  readonly wide: boolean;
  /** ELFDATA2LSB. */
  readonly little: boolean;
}

/** Reads one field after the other. A `word` is as wide as the class; above 2^53 it is only nearly right. */
export interface FieldReader {
  u16(): number;
  u32(): number;
  word(): number;
}

export function fieldReader(bytes: Uint8Array, { wide, little }: Shape, at = 0): FieldReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let next = at;
  const step = (size: number): number => {
    next += size;
    return next - size;
  };
  const u32 = (): number => view.getUint32(step(4), little);
  return {
    u16: () => view.getUint16(step(2), little),
    u32,
    word: wide ? () => Number(view.getBigUint64(step(8), little)) : u32,
  };
}

/** Fields to be written, each a width and a value. */
export type Field = readonly [width: "u16" | "u32" | "word", value: number];

export function fieldBytes(fields: readonly Field[], { wide, little }: Shape): Uint8Array {
  const sizes = { u16: 2, u32: 4, word: wide ? 8 : 4 };
  const bytes = new Uint8Array(fields.reduce((size, [width]) => size + sizes[width], 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (sizes[width] === 2) view.setUint16(at, value, little);
    else if (sizes[width] === 4) view.setUint32(at, value, little);
    else view.setBigUint64(at, BigInt(value), little);
    at += sizes[width];
  }
  return bytes;
}
