import { expect, test } from "vitest";
import { cpuOfCpuinfo, cpuOfSysctl, targetOfCpu } from "./detect-target.js";
import { depthOf, knownTargets, runsOn, targetIntersection, targetOf, targetsMeet } from "./target.js";

test("a microarchitecture runs what is built for those it descends from", () => {
  expect(runsOn("x86_64_v3", "zen4")).toBe(true);
  expect(runsOn("x86_64_v4", "zen4")).toBe(true);
  expect(runsOn("x86_64_v4", "zen3")).toBe(false);
  expect(runsOn("skylake", "zen4")).toBe(false);
  expect(runsOn("neoverse_n1", "neoverse_v1")).toBe(true);
  expect(runsOn("power9le", "power8le")).toBe(false);
  expect(runsOn("m1", "m3")).toBe(true);
  expect(runsOn("my_own", "my_own")).toBe(true);
  expect(runsOn("x86_64", "my_own")).toBe(false);
});

test("the order is partial, and each has one family", () => {
  const all = knownTargets();
  for (const a of all) {
    expect(runsOn(a.family, a.name)).toBe(true);
    for (const b of all)
      if (a !== b) {
        expect(runsOn(a.name, b.name) && runsOn(b.name, a.name)).toBe(false);
        if (runsOn(a.name, b.name)) expect(depthOf(a.name)).toBeLessThan(depthOf(b.name));
      }
  }
  expect(targetOf("haswell").features.has("avx2")).toBe(true);
});

test("ranges of targets meet where a target is in both", () => {
  expect(targetsMeet("x86_64_v3", "x86_64_v2:")).toBe(true);
  expect(targetsMeet("x86_64_v3", ":zen2")).toBe(true);
  expect(targetsMeet("x86_64_v3", "zen:")).toBe(false);
  expect(targetsMeet("haswell", "zen2,haswell:skylake")).toBe(true);
  expect(targetsMeet("anything", "*")).toBe(true);
  expect(targetIntersection("x86_64:zen3", "x86_64_v3:zen5")).toEqual(["x86_64_v3:zen3"]);
  expect(targetIntersection("haswell:", "zen:")).toEqual([]);
});

const x86 = (vendor: string, flags: string) =>
  cpuOfCpuinfo(
    `processor\t: 0\nvendor_id\t: ${vendor}\nflags\t\t: ${flags}\n\nprocessor\t: 1\nflags\t: none\n`,
    "x86_64",
  );
const flagsOf = (name: string) => [...targetOf(name).features].join(" ");

test("a processor with the features of a microarchitecture is one", () => {
  for (const { name, vendor, family } of knownTargets()) {
    if (family !== "x86_64") continue;
    // A cannonlake has all that x86_64_v4 asks for, but does not descend from it: archspec says the latter, too.
    const expected = name === "cannonlake" ? "x86_64_v4" : name;
    expect(targetOfCpu(x86(vendor, flagsOf(name)))).toBe(expected);
  }
});

test("a processor is the best that its vendor and its features allow", () => {
  expect(targetOfCpu(x86("GenuineIntel", flagsOf("zen2")))).toBe("x86_64_v3");
  expect(targetOfCpu(x86("HygonGenuine", flagsOf("zen2")))).toBe("x86_64_v3");
  // One feature switched off must not make a zen3 of a zen4 that is x86_64_v4.
  expect(targetOfCpu(x86("AuthenticAMD", flagsOf("zen4").replace("flush_l1d", "")))).toBe("x86_64_v4");
  expect(targetOfCpu(x86("GenuineIntel", ""))).toBe("x86_64");
});

test("ARM, POWER, RISC-V and Apple processors are told apart", () => {
  const arm = (implementer: string, part: string, features: string) =>
    cpuOfCpuinfo(
      `Features\t: ${features}\nCPU implementer\t: ${implementer}\nCPU part\t: ${part}\n`,
      "aarch64",
    );
  expect(targetOfCpu(arm("0x41", "0xd0c", flagsOf("neoverse_n1")))).toBe("neoverse_n1");
  expect(targetOfCpu(arm("0x46", "0x001", flagsOf("a64fx")))).toBe("a64fx");
  expect(targetOfCpu(arm("0x51", "0x001", flagsOf("neoverse_n1")))).toBe("aarch64");
  expect(targetOfCpu(cpuOfCpuinfo("cpu\t: POWER9, altivec supported\n", "ppc64le"))).toBe("power9le");
  expect(targetOfCpu(cpuOfCpuinfo("uarch\t: sifive,u74-mc\n", "riscv64"))).toBe("u74mc");
  expect(targetOfCpu(cpuOfCpuinfo("", "loongarch64"))).toBe("loongarch64");
  expect(targetOfCpu(cpuOfSysctl("machdep.cpu.brand_string: Apple M2 Pro\n"))).toBe("m2");
  expect(targetOfCpu(cpuOfSysctl("machdep.cpu.brand_string: Apple M9\n"))).toBe("m4");
  const intel =
    "machdep.cpu.brand_string: Intel(R) Core(TM) i7\nmachdep.cpu.vendor: GenuineIntel\n" +
    "machdep.cpu.features: CX16 MMX SSE SSE2 SSE3 SSSE3 SSE4.1 SSE4.2 POPCNT AES PCLMULQDQ AVX1.0 RDRAND F16C FMA MOVBE XSAVE\n" +
    "machdep.cpu.leaf7_features: AVX2 BMI1 BMI2 RDSEED ADX\nmachdep.cpu.extfeatures: LAHF LZCNT\n";
  expect(targetOfCpu(cpuOfSysctl(intel))).toBe("broadwell");
});
