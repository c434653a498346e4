import {
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";
import { decodeFileName, encodeFileName, isPlainName } from "../../base/file-name.js";
import type { InstallFiles } from "../../install/files.js";
import { fileFailure, systemFiles } from "../system/files.js";

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Files of this machine, as an install needs them. */
export const installFiles: InstallFiles = {
  ...systemFiles,
  describe: (path) => {
    try {
      const stat = lstatSync(native(path), { bigint: true });
      const about = { mode: Number(stat.mode), owner: Number(stat.uid), group: Number(stat.gid) };
      if (stat.isSymbolicLink())
        return { ...about, dest: decodeFileName(readlinkSync(native(path), { encoding: "buffer" })) };
      if (!stat.isFile()) return about;
      return { ...about, time: pythonTime(stat.mtimeNs), size: Number(stat.size) };
    } catch (error) {
      throw fileFailure(error, "look at", path);
    }
  },
  changeGroup: (path, group) => {
    try {
      lchownSync(native(path), lstatSync(native(path)).uid, group);
    } catch (error) {
      throw fileFailure(error, "change the group of", path);
    }
  },
  write: (path, content, mode) => {
    try {
      const fd = openSync(native(path), newFile, mode);
      try {
        for (let at = 0; at < content.byteLength; ) at += writeSync(fd, content, at, content.byteLength - at);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw fileFailure(error, "write", path);
    }
  },
  update: (path) => {
    try {
      const fd = openSync(native(path), constants.O_RDWR | constants.O_NOFOLLOW);
      const close = () => closeSync(fd);
      return {
        get size() {
          return fstatSync(fd).size;
        },
        read: (offset, length) => {
          const buffer = Buffer.allocUnsafe(length);
          let filled = 0;
          while (filled < length) {
            const count = readSync(fd, buffer, filled, length - filled, offset + filled);
            if (count === 0) break;
            filled += count;
          }
          return buffer.subarray(0, filled);
        },
        write: (bytes, offset) => {
          try {
            for (let at = 0; at < bytes.byteLength; )
              at += writeSync(fd, bytes, at, bytes.byteLength - at, offset + at);
          } catch (error) {
            throw fileFailure(error, "write", path);
          }
        },
        close,
        [Symbol.dispose]: close,
      };
    } catch (error) {
      throw fileFailure(error, "change", path);
    }
  },
};

const native = (path: string): string | Buffer =>
  isPlainName(path) ? path : Buffer.from(encodeFileName(path));

/** `st_mtime` of Python, digit for digit: Spack compares it so (`posixmodule.c`, `fill_time`). */
const pythonTime = (nanoseconds: bigint): number =>
  Number(nanoseconds / 1_000_000_000n) + 1e-9 * Number(nanoseconds % 1_000_000_000n);
