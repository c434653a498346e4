import { createRequire } from "node:module";
import type { CompressMember } from "../../archive/gzip.js";
import { Failure } from "../../base/failure.js";

export interface Libdeflate {
  /** Compresses on Node's own threads, as zlib does. Levels go from 1 to 12. */
  compressor(level: number): { compress: CompressMember } & AsyncDisposable;
}

/** Of libdeflate 1.0 and later, as distributions name it. */
const names: Partial<Record<NodeJS.Platform, string>> = {
  linux: "libdeflate.so.0",
  darwin: "libdeflate.0.dylib",
};

/**
 * The system's libdeflate: it compresses faster and smaller than zlib.
 * @throws Failure `push.engine-missing`
 */
export function loadLibdeflate(): Libdeflate {
  const name = names[process.platform] ?? "libdeflate";
  let koffi: typeof import("koffi");
  let library: import("koffi").LibraryHandle;
  try {
    koffi = createRequire(import.meta.url)("koffi");
    library = koffi.load(name);
  } catch (cause) {
    throw new Failure("unsupported", `libdeflate cannot be used: ${reason(cause)}`, {
      code: "push.engine-missing",
      subject: name,
      hint: "Install it (Debian: libdeflate0), and koffi with npm; or compress by zlib, the default.",
      cause,
    });
  }
  const handle = koffi.pointer(koffi.opaque());
  const allocate = library.func("libdeflate_alloc_compressor", handle, ["int"]);
  const free = library.func("libdeflate_free_compressor", "void", [handle]);
  const bound = library.func("libdeflate_gzip_compress_bound", "size_t", [handle, "size_t"]);
  const run = library.func("libdeflate_gzip_compress", "size_t", [
    handle,
    "void *",
    "size_t",
    "void *",
    "size_t",
  ]);
  return {
    compressor(level) {
      // One compresses one block at a time.
      const idle: unknown[] = [];
      const all: unknown[] = [];
      const newOne = (): unknown => {
        const made: unknown = allocate(level);
        if (made === null) throw new Error(`libdeflate has no memory, or no level ${level}`);
        all.push(made);
        return made;
      };
      const running = new Set<Promise<number>>();
      return {
        async compress(block) {
          const compressor = idle.pop() ?? newOne();
          const out = Buffer.allocUnsafeSlow(Number(bound(compressor, block.byteLength)));
          const work = new Promise<number>((resolve, reject) =>
            run.async(
              compressor,
              block,
              block.byteLength,
              out,
              out.byteLength,
              (error: Error | null, written: number | bigint) =>
                error === null ? resolve(Number(written)) : reject(error),
            ),
          );
          running.add(work);
          const size = await work.finally(() => running.delete(work));
          idle.push(compressor);
          if (size === 0) throw new Error("libdeflate found no room for its output");
          return out.subarray(0, size);
        },
        async [Symbol.asyncDispose]() {
          // Another thread may still be at work with one.
          await Promise.allSettled(running);
          for (const one of all) free(one);
        },
      };
    },
  };
}

const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
