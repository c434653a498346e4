import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { machine } from "node:os";
import { promisify } from "node:util";
import type { Call } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import { cpuOfCpuinfo, cpuOfSysctl, targetOfCpu } from "../../spec/detect-target.js";
import type { Host } from "../../spec/host.js";
import { osOfMacVersion, osOfRelease } from "./operating-system.js";

/** A command that only prints what the kernel knows answers within milliseconds. */
const commandTimeout = 10_000;

/**
 * What this machine is, as Spack would say.
 * @throws Failure `host.unsupported` on systems other than Linux and macOS
 */
export async function detectHost(call?: Call): Promise<Host> {
  switch (process.platform) {
    case "linux":
      return {
        platform: "linux",
        os: osOfRelease(await readRelease()),
        target: targetOfCpu(cpuOfCpuinfo(await readFile("/proc/cpuinfo", "utf8"), machine())),
        glibc: glibcVersion(),
      };
    case "darwin": {
      const keys = ["brand_string", "vendor", "features", "leaf7_features", "extfeatures"];
      // -i: an Apple processor has no Intel keys, and the other way round.
      const sysctl = await print(
        "/usr/sbin/sysctl",
        ["-i", ...keys.map((key) => `machdep.cpu.${key}`)],
        call,
      );
      const version = await print("/usr/bin/sw_vers", ["-productVersion"], call);
      return {
        platform: "darwin",
        os: osOfMacVersion(version.trim()),
        target: targetOfCpu(cpuOfSysctl(sysctl)),
        glibc: undefined,
      };
    }
    default:
      throw new Failure(
        "unsupported",
        `Spack's binaries run on Linux and macOS, not on ${process.platform}`,
        {
          code: "host.unsupported",
        },
      );
  }
}

async function print(command: string, args: readonly string[], call: Call | undefined): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    timeout: commandTimeout,
    signal: call?.signal,
  });
  return stdout;
}

/** os-release(5): the second file stands in where the first is not there. */
async function readRelease(): Promise<string> {
  try {
    return await readFile("/etc/os-release", "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    return readFile("/usr/lib/os-release", "utf8");
  }
}

/** The version that this process runs with, which is the machine's own. */
function glibcVersion(): string | undefined {
  const { report } = process;
  // Node's report would otherwise resolve the name of every open connection.
  Object.assign(report, { excludeNetwork: true });
  const document: unknown = report.getReport();
  const header =
    typeof document === "object" && document !== null && "header" in document ? document.header : undefined;
  const version =
    typeof header === "object" && header !== null && "glibcVersionRuntime" in header
      ? header.glibcVersionRuntime
      : undefined;
  return typeof version === "string" ? version : undefined;
}
