import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { Failure } from "../../base/failure.js";
import { diskFailure } from "../disk/disk-failure.js";

/** Bytes of a file, as a lock covers them. Spack's package locks are at 63-bit offsets, so a number cannot hold them. */
export interface LockRange {
  readonly start: bigint;
  /** 0: to the end of the file, however it grows. */
  readonly length: bigint;
  readonly exclusive: boolean;
}

/** What keeps a lock from being taken: the process, where the system tells. */
export interface Blocked {
  readonly pid: number | undefined;
}

/** An open file whose bytes can be locked; whatever it holds is released when it is closed. */
export interface LockFile {
  readonly path: string;
  /** One attempt, without waiting; undefined where it succeeded. */
  tryLock(range: LockRange): Promise<Blocked | undefined>;
  close(): Promise<void>;
}

/**
 * Opens a file for POSIX record locks, which conflict with those of Python's `fcntl.lockf` and so with Spack's.
 * Without `native` a helper in Python takes them.
 * @throws Failure `store.locks-unavailable` where neither koffi nor python3 can be used
 */
export async function openLockFile(
  path: string,
  { native = true }: { native?: boolean } = {},
): Promise<LockFile> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const fcntl = native ? loadFcntl() : undefined;
    return fcntl === undefined ? await openWithPython(path) : openWithFcntl(path, fcntl);
  } catch (error) {
    throw diskFailure(error, { doing: "open the lock", path });
  }
}

// fcntl(2) of Linux. Locks of the open file description, not of the process: those would be lost
// when anything in the process opened and closed the same file.
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;
const EACCES = 13;
const EAGAIN = 11;

interface Flock {
  l_type: number;
  l_whence: number;
  l_start: bigint;
  l_len: bigint;
  l_pid: number;
}

interface Fcntl {
  /** 0, or the errno. */
  call(fd: number, command: number, lock: Flock): number;
}

let loaded: { readonly fcntl: Fcntl | undefined } | undefined;

/** libc's fcntl through koffi; undefined where that is not installed, or the system is not Linux. */
function loadFcntl(): Fcntl | undefined {
  loaded ??= { fcntl: process.platform === "linux" ? bindFcntl() : undefined };
  return loaded.fcntl;
}

function bindFcntl(): Fcntl | undefined {
  const require = createRequire(import.meta.url);
  let koffi: typeof import("koffi");
  try {
    koffi = require("koffi");
  } catch {
    // An optional dependency: without it the python3 helper is used.
    return undefined;
  }
  const flock = koffi.struct({
    l_type: "int16",
    l_whence: "int16",
    l_start: "int64",
    l_len: "int64",
    l_pid: "int32",
  });
  const fcntl = koffi.load(null).func("fcntl", "int", ["int", "int", "..."]);
  const pointer = koffi.inout(koffi.pointer(flock));
  return {
    call: (fd, command, lock) => (fcntl(fd, command, pointer, lock) === -1 ? koffi.errno() : 0),
  };
}

function openWithFcntl(path: string, { call }: Fcntl): LockFile {
  const fd = openSync(path, "a+");
  const lock = ({ start, length, exclusive }: LockRange): Flock => ({
    l_type: exclusive ? F_WRLCK : F_RDLCK,
    l_whence: 0,
    l_start: start,
    l_len: length,
    l_pid: 0,
  });
  return {
    path,
    async tryLock(range) {
      const errno = call(fd, F_OFD_SETLK, lock(range));
      if (errno === 0) return undefined;
      if (errno !== EAGAIN && errno !== EACCES) throw locksRefused(path, `errno ${errno}`);
      const found = lock(range);
      const told = call(fd, F_OFD_GETLK, found) === 0 && found.l_type !== F_UNLCK && found.l_pid > 0;
      return { pid: told ? found.l_pid : undefined };
    },
    async close() {
      closeSync(fd);
    },
  };
}

// One line in, one line out: "start length exclusive" -> "ok" | "busy" | "failed REASON".
// It ends, and so lets go, when its input is closed, whatever ends this process.
const pythonHelper = `
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
print("ready", flush=True)
for line in iter(sys.stdin.readline, ""):
    start, length, exclusive = line.split()
    try:
        fcntl.lockf(fd, (fcntl.LOCK_EX if exclusive == "1" else fcntl.LOCK_SH) | fcntl.LOCK_NB, int(length), int(start))
        print("ok", flush=True)
    except OSError as e:
        print("busy" if e.errno in (errno.EAGAIN, errno.EACCES) else "failed %s" % e, flush=True)
`;

async function openWithPython(path: string): Promise<LockFile> {
  const helper = spawn("python3", ["-S", "-c", pythonHelper, path], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(helper, "close").then(
    () => "ended",
    (cause) => `ended: ${cause}`,
  );
  let complaint = "";
  helper.stderr.on("data", (chunk) => {
    complaint = `${complaint}${chunk}`.slice(-500);
  });
  // A write to a helper that died is told by the missing answer.
  helper.stdin.on("error", () => undefined);
  const lines = createInterface({ input: helper.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const next = await Promise.race([lines.next(), ended]);
    if (typeof next !== "string" && next.done !== true) return next.value;
    throw locksUnavailable(path, complaint.trim() || "koffi is not installed, and python3 did not start");
  };
  await answer();
  return {
    path,
    async tryLock({ start, length, exclusive }) {
      helper.stdin.write(`${start} ${length} ${exclusive ? 1 : 0}\n`);
      const said = await answer();
      if (said === "ok") return undefined;
      if (said === "busy") return { pid: undefined };
      throw locksRefused(path, said);
    },
    async close() {
      helper.stdin.end();
      await ended;
    },
  };
}

function locksUnavailable(path: string, why: string): Failure {
  return new Failure("unsupported", `cannot lock ${path} as Spack does: ${why}`, {
    code: "store.locks-unavailable",
    subject: path,
    hint: "Install python3 or the package koffi, or give --no-locks if no Spack and no other stowage uses this store now.",
  });
}

function locksRefused(path: string, why: string): Failure {
  return new Failure("unsupported", `the file system of ${path} does not take locks (${why})`, {
    code: "store.locks-unavailable",
    subject: path,
    hint: "Give --no-locks if no Spack and no other stowage uses this store now.",
  });
}
