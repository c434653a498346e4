import { encodeTarHeader, paddingOf, type TarEntry } from "../../src/archive/tar-header.js";

/** An entry of an archive as nobody should write it: sizes, modes and header bytes may lie. */
export interface ForgedEntry extends Partial<TarEntry> {
  readonly content?: string;
  /** Bytes to put into the header block, by offset; the checksum is made right again. */
  readonly patch?: Readonly<Record<number, string>>;
}

export const entryBytes = ({ content, patch, ...entry }: ForgedEntry): Buffer => {
  const size = entry.size ?? content?.length ?? 0;
  const head = Buffer.from(encodeTarHeader({ type: "file", name: "", mode: 0o644, ...entry, size }));
  const block = head.subarray(-512);
  for (const [at, text] of Object.entries(patch ?? {})) block.write(text, Number(at), "latin1");
  if (patch !== undefined && !("148" in patch)) {
    block.write("        ", 148);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  }
  return Buffer.concat([head, Buffer.from(content ?? ""), Buffer.alloc(paddingOf(content?.length ?? 0))]);
};

/** Two zero blocks. */
export const endMark = Buffer.alloc(1024);
