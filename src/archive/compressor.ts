/** What compresses a tarball, and how hard it tries. zlib and libdeflate make gzip files. */
export interface Compressor {
  readonly engine: "zlib" | "libdeflate" | "zstd";
  readonly level: number;
}

export type CompressionType = "gzip" | "zstd";

export const typeOf = ({ engine }: Compressor): CompressionType => (engine === "zstd" ? "zstd" : "gzip");

/** Part of the format: another level gives other bytes. */
const defaults = { zlib: 4, libdeflate: 4, zstd: 3 };

/** Levels of which every reader can read what they make: zstd's from 20 on need windows that some refuse. */
const highest = { gzip: 9, zstd: 19 };

/** @throws RangeError where there is no such level */
export function compressorOf(engine: Compressor["engine"], level = defaults[engine]): Compressor {
  const most = highestLevel(engine);
  if (!Number.isInteger(level) || level < 1 || level > most)
    throw new RangeError(`${engine} has levels 1 to ${most}`);
  return { engine, level };
}

export const highestLevel = (engine: Compressor["engine"]): number =>
  highest[engine === "zstd" ? "zstd" : "gzip"];

export const defaultCompressor = compressorOf("zlib");

/** Whether it is what compresses where nobody asks for another: of gzip and zstd one each. */
export const isDefault = ({ engine, level }: Compressor): boolean =>
  engine !== "libdeflate" && level === defaults[engine];
