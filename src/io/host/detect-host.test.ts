import { expect, test } from "vitest";
import { isKnownTarget } from "../../spec/target.js";
import { detectHost } from "./detect-host.js";
import { osOfMacVersion, osOfRelease } from "./operating-system.js";

test("this machine has a known microarchitecture", async () => {
  const host = await detectHost();
  expect(host.platform).toBe(process.platform);
  expect(isKnownTarget(host.target)).toBe(true);
  expect(host.os).toMatch(/^[a-z_]+[\w.]*$/);
  if (host.platform === "linux" && host.glibc !== undefined) expect(host.glibc).toMatch(/^\d+\.\d+$/);
});

test("distributions have Spack's names", () => {
  expect(osOfRelease('NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n')).toBe("debian12");
  expect(osOfRelease('ID=ubuntu\nVERSION_ID="24.04"\n')).toBe("ubuntu24.04");
  expect(osOfRelease('ID="rhel"\nVERSION_ID="9.4"\n')).toBe("rhel9");
  expect(osOfRelease("ID=ol\nVERSION_ID=8.9")).toBe("oracle8");
  expect(osOfRelease('ID="opensuse-leap"\nVERSION_ID="15.5"')).toBe("opensuse15");
  expect(osOfRelease("ID=arch\n")).toBe("arch");
  expect(osOfMacVersion("14.5")).toBe("sonoma");
  expect(osOfMacVersion("99.1")).toBe("macos");
});
