import { knownTargets, type Target, targetOf } from "./target.js";

/** What a system tells of its processor. */
export interface Cpu {
  /** Family of architectures: `x86_64`, `aarch64`, `ppc64le`, `riscv64`. */
  readonly family: string;
  readonly vendor: string;
  readonly features: ReadonlySet<string>;
  /** POWER n. */
  readonly generation: number;
  /** ARM's `CPU part`. */
  readonly part: string | undefined;
  /** The microarchitecture itself, where the system names it instead of features. */
  readonly model: string | undefined;
}

const unknownCpu = {
  vendor: "generic",
  features: new Set<string>(),
  generation: 0,
  part: undefined,
  model: undefined,
};

/** ARM's implementer codes (ARM DDI 0487, MIDR_EL1), as far as the table knows their processors. */
const armVendors: ReadonlyMap<string, string> = new Map([
  ["0x41", "ARM"],
  ["0x42", "Broadcom"],
  ["0x43", "Cavium"],
  ["0x46", "Fujitsu"],
  ["0x48", "HiSilicon"],
  ["0x4e", "Nvidia"],
  ["0x50", "APM"],
  ["0x51", "Qualcomm"],
  ["0x53", "Samsung"],
  ["0x56", "Marvell"],
  ["0x61", "Apple"],
  ["0x69", "Intel"],
  ["0xc0", "Ampere"],
]);

/** Names of the `uarch` line of RISC-V, where the table has another. */
const riscvModels: ReadonlyMap<string, string> = new Map([
  ["sifive,u74-mc", "u74mc"],
  ["spacemit,x60", "x60"],
  ["Spacemit(R) X60", "x60"],
]);

const words = (text = ""): ReadonlySet<string> => new Set(text.split(/\s+/).filter((word) => word !== ""));

/**
 * Reads `/proc/cpuinfo`, of which the first processor counts.
 * @param machine as `uname -m` says it
 */
export function cpuOfCpuinfo(text: string, machine: string): Cpu {
  const facts = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0 && facts.size > 0) break;
    if (colon >= 0) facts.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const cpu = { ...unknownCpu, family: machine };
  switch (machine) {
    case "x86_64":
      return { ...cpu, vendor: facts.get("vendor_id") ?? "generic", features: words(facts.get("flags")) };
    case "aarch64": {
      const code = facts.get("CPU implementer");
      const vendor = code === undefined ? "generic" : (armVendors.get(code) ?? code);
      return { ...cpu, vendor, features: words(facts.get("Features")), part: facts.get("CPU part") };
    }
    case "ppc64":
    case "ppc64le":
      return { ...cpu, generation: Number(/POWER(\d+)/.exec(facts.get("cpu") ?? "")?.[1] ?? 0) };
    case "riscv64": {
      const name = facts.get("uarch") ?? facts.get("model name") ?? "riscv64";
      return { ...cpu, model: riscvModels.get(name) ?? name };
    }
    default:
      return cpu;
  }
}

/** Features of macOS, and what Linux calls them. */
const darwinFeatures: readonly (readonly [string, string])[] = [
  ["sse4.1", "sse4_1"],
  ["sse4.2", "sse4_2"],
  ["avx1.0", "avx"],
  ["lahf", "lahf_lm"],
  ["sha", "sha_ni"],
  ["popcnt lzcnt", "abm"],
  ["clfsopt", "clflushopt"],
  ["xsave", "xsavec xsaveopt"],
];

/** Reads what `sysctl machdep.cpu` prints on macOS. */
export function cpuOfSysctl(text: string): Cpu {
  const facts = new Map(
    text.split("\n").map((line) => {
      const [key = "", ...value] = line.split(": ");
      return [key.trim(), value.join(": ").trim()] as const;
    }),
  );
  const brand = facts.get("machdep.cpu.brand_string") ?? "";
  if (brand.includes("Apple"))
    return { ...unknownCpu, family: "aarch64", vendor: "Apple", model: appleModel(brand) };
  const lists = ["features", "leaf7_features", "extfeatures"].map(
    (key) => facts.get(`machdep.cpu.${key}`) ?? "",
  );
  const features = new Set(words(lists.join(" ").toLowerCase()));
  for (const [darwin, linux] of darwinFeatures)
    if (darwin.split(" ").every((word) => features.has(word)))
      for (const word of words(linux)) features.add(word);
  return { ...unknownCpu, family: "x86_64", vendor: facts.get("machdep.cpu.vendor") ?? "", features };
}

/** The newest of the table that is not newer: an `Apple M5 Pro` runs what an M4 does. */
function appleModel(brand: string): string {
  // Old systems say `Apple processor` of an M1.
  const number = Number(
    /apple\s+m(\d+)/i.exec(brand)?.[1] ?? (brand.toLowerCase() === "apple processor" ? 1 : 0),
  );
  const models = knownTargets().filter(
    ({ vendor, name }) => vendor === "Apple" && Number(name.slice(1)) <= number,
  );
  return mostSpecific(models)?.name ?? "aarch64";
}

/** The most specific microarchitecture of the table whose binaries a processor runs. */
export function targetOfCpu(cpu: Cpu): string {
  const runnable = knownTargets().filter((target) => canRun(cpu, target));
  const generic = mostSpecific(runnable.filter(({ vendor }) => vendor === "generic"));
  if (generic === undefined) return cpu.family;
  const samePart = runnable.filter(({ part }) => part !== undefined && part === cpu.part);
  // A feature that firmware has switched off must not hide all else that the processor has.
  const specific = (samePart.length > 0 ? samePart : runnable).filter(
    ({ name, lineage }) => name !== generic.name && lineage.has(generic.name),
  );
  return (mostSpecific(specific) ?? generic).name;
}

function canRun(cpu: Cpu, target: Target): boolean {
  if (target.family !== cpu.family) return false;
  const isGeneric = target.vendor === "generic";
  const hasFeatures = [...target.features].every((feature) => hasFeature(cpu, feature));
  switch (cpu.family) {
    case "x86_64":
      return (isGeneric || target.vendor === cpu.vendor) && hasFeatures;
    case "aarch64":
      // Which version of the architecture it is cannot be told from features.
      if (isGeneric) return target.name === "aarch64";
      if (target.vendor !== cpu.vendor) return false;
      return cpu.model === undefined ? hasFeatures : targetOf(cpu.model).lineage.has(target.name);
    case "ppc64":
    case "ppc64le":
      return target.generation <= cpu.generation;
    case "riscv64":
      return isGeneric || target.name === cpu.model;
    default:
      return false;
  }
}

/** Linux does not list sse3 (it says pni), which ssse3 includes. */
const hasFeature = ({ features }: Cpu, feature: string): boolean =>
  features.has(feature) || (feature === "sse3" && features.has("ssse3"));

function mostSpecific(targets: readonly Target[]): Target | undefined {
  return targets.reduce<Target | undefined>((best, target) => {
    if (best === undefined) return target;
    const deeper = target.lineage.size - best.lineage.size || target.features.size - best.features.size;
    return deeper > 0 ? target : best;
  }, undefined);
}
