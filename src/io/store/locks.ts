import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import type { DagHash } from "../../spec/dag-hash.js";
import type { Blocked, LockFile, LockRange } from "./lock-file.js";

export const wholeFile = (exclusive: boolean): LockRange => ({ start: 0n, length: 0n, exclusive });

/** The byte that Spack locks for a package: the first 63 bits of its hash, big-endian (`dag_hash_bit_prefix(63)`). */
export function packageLockOffset(hash: DagHash): bigint {
  const bits = [...hash].reduce((sum, digit) => (sum << 5n) | BigInt(base32.indexOf(digit)), 0n);
  return bits >> BigInt(hash.length * 5 - 63);
}
const base32 = "abcdefghijklmnopqrstuvwxyz234567";

export const packageLockRange = (hash: DagHash): LockRange => ({
  start: packageLockOffset(hash),
  length: 1n,
  exclusive: true,
});

// Milliseconds. Short at first, since most holders write a database; then as Spack's own longest wait.
const firstWait = 10;
const longestWait = 500;

/**
 * Waits for a lock.
 * @throws Failure `store.locked` after `timeout` milliseconds, naming who holds it
 */
export async function lock(
  file: LockFile,
  range: LockRange,
  { timeout, subject, ...call }: Call & { timeout: number; subject: string },
): Promise<void> {
  const end = performance.now() + timeout;
  for (let wait = firstWait; ; wait = Math.min(wait * 1.5, longestWait)) {
    checkInterrupted(call);
    const blocked = await file.tryLock(range);
    if (blocked === undefined) return;
    const left = end - performance.now();
    if (left <= 0) throw locked(file, range, { blocked, subject, timeout });
    await sleep(Math.min(wait, left), undefined, { signal: call.signal }).catch(() => undefined);
  }
}

function locked(
  file: LockFile,
  range: LockRange,
  { blocked, subject, timeout }: { blocked: Blocked; subject: string; timeout: number },
): Failure {
  const pid = blocked.pid ?? ofdHolderOf(file.path, range);
  const who = pid === undefined ? "another process" : `process ${pid}${commandOf(pid)}`;
  return new Failure("conflict", `${subject} is locked by ${who}; waited ${Math.round(timeout / 1000)} s`, {
    code: "store.locked",
    subject: file.path,
    hint: "Wait for it to end, or give a longer --lock-timeout.",
  });
}

function commandOf(pid: number): string {
  const command = read(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
  return command === "" ? "" : ` (${command.slice(0, 120)})`;
}

/** Locks of open file descriptions (another stowage's) have no process in F_GETLK; /proc tells whose they are. */
function ofdHolderOf(path: string, { start }: LockRange): number | undefined {
  const inode = `:${statSync(path).ino} `;
  for (const pid of listed("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of listed(`/proc/${pid}/fdinfo`))
      for (const line of read(`/proc/${pid}/fdinfo/${fd}`).split("\n"))
        if (line.startsWith("lock:") && line.includes(inode) && line.includes(` ${start} `))
          return Number(pid);
  }
  return undefined;
}

// What /proc names may be another user's, or gone a moment later: both mean that it tells nothing.
function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
