import { type CompressionType, type Compressor, compressorOf, highestLevel } from "../archive/compressor.js";
import { hasZstd, zstdMissing } from "../archive/zstd.js";
import { Failure } from "../base/failure.js";

export interface CompressionOptions {
  /** Of layers; `zstd` is smaller and faster, and no Spack reads it. */
  readonly compression?: CompressionType | undefined;
  /** 1 to 9 for gzip, 1 to 19 for zstd. */
  readonly compressionLevel?: number | undefined;
  /** Make gzip by zlib (the default), or by the system's libdeflate, which is faster and smaller. */
  readonly compressionEngine?: "zlib" | "libdeflate" | undefined;
}

/** @throws Failure `push.compression-level`, `push.compression-engine`, `archive.zstd-missing` */
export function chosenCompressor(options: CompressionOptions): Compressor {
  const { compression = "gzip", compressionLevel: level, compressionEngine } = options;
  if (compression === "zstd" && compressionEngine !== undefined)
    throw new Failure("usage", `${compressionEngine} makes no zstd`, {
      code: "push.compression-engine",
      subject: compressionEngine,
      hint: "Leave out --compression-engine: it is for gzip.",
    });
  if (compression === "zstd" && !hasZstd) throw zstdMissing("--compression zstd takes zstd");
  const engine = compression === "zstd" ? "zstd" : (compressionEngine ?? "zlib");
  try {
    return compressorOf(engine, level);
  } catch (cause) {
    throw new Failure("usage", `${compression} has no compression level ${level}`, {
      code: "push.compression-level",
      subject: String(level),
      hint: `Levels go from 1, the fastest, to ${highestLevel(engine)}, the smallest.`,
      cause,
    });
  }
}

/** What pushed packages are not good for. */
export const warningsOf = ({ engine }: Compressor): readonly string[] =>
  engine === "zstd"
    ? ["no Spack installs packages whose layers are zstd; stowage and containers read them"]
    : [];
