// `node spent.js PROGRAM [ARG]...` runs a command and writes what it took to file descriptor 3. Its children are all
// that this process waits for, so the kernel's account of them (getrusage(2), RUSAGE_CHILDREN) is exact; GNU time
// tells the same, in hundredths of a second.
import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";

const [program = "", ...args] = process.argv.slice(2);
const start = performance.now();
const { status, signal, error } = spawnSync(program, args, { stdio: "inherit" });
const milliseconds = performance.now() - start;
if (error !== undefined) throw error;
if (signal !== null) console.error(`${program} was ended by ${signal}`);
writeSync(3, JSON.stringify({ milliseconds, ...(await childrenUsage()) }));
process.exitCode = status ?? 1;

async function childrenUsage(): Promise<{ processors?: number; memory?: number }> {
  const { default: koffi } = await import("koffi").catch(() => ({ default: undefined }));
  if (koffi === undefined) return {};
  const time = koffi.struct({ seconds: "long", microseconds: "long" });
  const usage = koffi.struct({ user: time, system: time, maxrss: "long", rest: koffi.array("long", 13) });
  const getrusage = koffi.load(null).func("getrusage", "int", ["int", koffi.out(koffi.pointer(usage))]);
  const children = -1;
  const used = { user: zero(), system: zero(), maxrss: 0, rest: [] };
  if (getrusage(children, used) !== 0) return {};
  const seconds = [used.user, used.system].map(
    (part) => Number(part.seconds) + Number(part.microseconds) / 1e6,
  );
  // In KiB, but bytes on macOS.
  const memory = Number(used.maxrss) * (process.platform === "darwin" ? 1 : 1024);
  return { processors: seconds.reduce((all, one) => all + one, 0), memory };
}

function zero(): { seconds: number; microseconds: number } {
  return { seconds: 0, microseconds: 0 };
}
