/**
 * CPU microarchitectures and what each adds to its parents. The facts are archspec's
 * (github.com/archspec/archspec-json, cpu/microarchitectures.json); the form is ours.
 */
export interface MicroarchitectureEntry {
  /** Whose binaries it runs, too. */
  readonly from?: readonly string[];
  /** `generic` where it is not given. */
  readonly vendor?: string;
  /** POWER n. */
  readonly generation?: number;
  /** `CPU part` of /proc/cpuinfo on ARM. */
  readonly part?: string;
  /** Features that no parent has, as Linux names them, with spaces between. */
  readonly adds?: string;
}

export const microarchitectures: Readonly<Record<string, MicroarchitectureEntry>> = {
  x86: {},
  i686: { from: ["x86"], vendor: "GenuineIntel" },
  pentium2: { from: ["i686"], vendor: "GenuineIntel", adds: "mmx" },
  pentium3: { from: ["pentium2"], vendor: "GenuineIntel", adds: "sse" },
  pentium4: { from: ["pentium3"], vendor: "GenuineIntel", adds: "sse2" },
  prescott: { from: ["pentium4"], vendor: "GenuineIntel", adds: "sse3" },
  x86_64: {},
  x86_64_v2: { from: ["x86_64"], adds: "cx16 lahf_lm mmx sse sse2 ssse3 sse4_1 sse4_2 popcnt" },
  x86_64_v3: { from: ["x86_64_v2"], adds: "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave" },
  x86_64_v4: { from: ["x86_64_v3"], adds: "avx512f avx512bw avx512cd avx512dq avx512vl" },
  nocona: { from: ["x86_64"], vendor: "GenuineIntel", adds: "mmx sse sse2 sse3" },
  core2: { from: ["nocona"], vendor: "GenuineIntel", adds: "ssse3" },
  nehalem: { from: ["core2", "x86_64_v2"], vendor: "GenuineIntel" },
  westmere: { from: ["nehalem"], vendor: "GenuineIntel", adds: "aes pclmulqdq" },
  sandybridge: { from: ["westmere"], vendor: "GenuineIntel", adds: "avx" },
  ivybridge: { from: ["sandybridge"], vendor: "GenuineIntel", adds: "rdrand f16c" },
  haswell: { from: ["ivybridge", "x86_64_v3"], vendor: "GenuineIntel" },
  broadwell: { from: ["haswell"], vendor: "GenuineIntel", adds: "rdseed adx" },
  skylake: { from: ["broadwell"], vendor: "GenuineIntel", adds: "clflushopt xsavec xsaveopt" },
  mic_knl: { from: ["broadwell"], vendor: "GenuineIntel", adds: "avx512f avx512pf avx512er avx512cd" },
  skylake_avx512: { from: ["skylake", "x86_64_v4"], vendor: "GenuineIntel", adds: "clwb" },
  cannonlake: {
    from: ["skylake"],
    vendor: "GenuineIntel",
    adds: "avx512f avx512vl avx512bw avx512dq avx512cd avx512vbmi avx512ifma sha_ni",
  },
  cascadelake: { from: ["skylake_avx512"], vendor: "GenuineIntel", adds: "avx512_vnni" },
  icelake: {
    from: ["cascadelake", "cannonlake"],
    vendor: "GenuineIntel",
    adds: "rdpid gfni avx512_vbmi2 avx512_vpopcntdq avx512_bitalg vpclmulqdq vaes",
  },
  sapphirerapids: {
    from: ["icelake"],
    vendor: "GenuineIntel",
    adds: "avx512_bf16 cldemote movdir64b movdiri serialize waitpkg amx_bf16 amx_tile amx_int8",
  },
  k10: { from: ["x86_64"], vendor: "AuthenticAMD", adds: "mmx sse sse2 sse4a abm cx16 3dnow 3dnowext" },
  bulldozer: {
    from: ["x86_64_v2"],
    vendor: "AuthenticAMD",
    adds: "sse4a xsave abm avx xop fma4 aes pclmulqdq",
  },
  piledriver: { from: ["bulldozer"], vendor: "AuthenticAMD", adds: "bmi1 f16c fma tbm" },
  steamroller: { from: ["piledriver"], vendor: "AuthenticAMD", adds: "fsgsbase" },
  excavator: { from: ["steamroller", "x86_64_v3"], vendor: "AuthenticAMD" },
  zen: {
    from: ["x86_64_v3"],
    vendor: "AuthenticAMD",
    adds: "fsgsbase rdseed clzero aes pclmulqdq sse4a xsavec xsaveopt clflushopt",
  },
  zen2: { from: ["zen"], vendor: "AuthenticAMD", adds: "clwb" },
  zen3: { from: ["zen2"], vendor: "AuthenticAMD", adds: "vaes vpclmulqdq pku" },
  zen4: {
    from: ["zen3", "x86_64_v4"],
    vendor: "AuthenticAMD",
    adds: "gfni flush_l1d avx512ifma avx512_bf16 avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg avx512_vpopcntdq",
  },
  zen5: {
    from: ["zen4"],
    vendor: "AuthenticAMD",
    adds: "avx512_vp2intersect avx_vnni movdir64b movdiri tsc_adjust",
  },
  ppc64: {},
  power7: { from: ["ppc64"], vendor: "IBM", generation: 7 },
  power8: { from: ["power7"], vendor: "IBM", generation: 8 },
  power9: { from: ["power8"], vendor: "IBM", generation: 9 },
  power10: { from: ["power9"], vendor: "IBM", generation: 10 },
  ppc64le: {},
  power8le: { from: ["ppc64le"], vendor: "IBM", generation: 8 },
  power9le: { from: ["power8le"], vendor: "IBM", generation: 9 },
  power10le: { from: ["power9le"], vendor: "IBM", generation: 10 },
  aarch64: {},
  "armv8.1a": { from: ["aarch64"] },
  "armv8.2a": { from: ["armv8.1a"] },
  "armv8.3a": { from: ["armv8.2a"] },
  "armv8.4a": { from: ["armv8.3a"] },
  "armv8.5a": { from: ["armv8.4a"] },
  "armv8.6a": { from: ["armv8.5a"] },
  "armv9.0a": { from: ["armv8.5a"] },
  thunderx2: {
    from: ["armv8.1a"],
    vendor: "Cavium",
    part: "0x0af",
    adds: "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics cpuid asimdrdm",
  },
  a64fx: {
    from: ["armv8.2a"],
    vendor: "Fujitsu",
    part: "0x001",
    adds: "fp asimd evtstrm sha1 sha2 crc32 atomics cpuid asimdrdm fphp asimdhp fcma dcpop sve",
  },
  cortex_a72: {
    from: ["aarch64"],
    vendor: "ARM",
    part: "0xd08",
    adds: "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid",
  },
  neoverse_n1: {
    from: ["cortex_a72", "armv8.2a"],
    vendor: "ARM",
    part: "0xd0c",
    adds: "atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp",
  },
  neoverse_v1: {
    from: ["neoverse_n1", "armv8.4a"],
    vendor: "ARM",
    part: "0xd40",
    adds: "jscvt fcma sha3 sha512 sve asimdfhm dit uscat ilrcpc flagm dcpodp svei8mm svebf16 i8mm bf16 dgh rng",
  },
  neoverse_v2: {
    from: ["neoverse_n1", "armv9.0a"],
    vendor: "ARM",
    part: "0xd4f",
    adds: "jscvt fcma sha3 sha512 sve asimdfhm uscat ilrcpc flagm sb dcpodp sve2 flagm2 frint svei8mm svebf16 i8mm bf16",
  },
  neoverse_n2: {
    from: ["neoverse_n1", "armv9.0a"],
    vendor: "ARM",
    part: "0xd49",
    adds: "jscvt fcma sha3 sha512 sve asimdfhm uscat ilrcpc flagm sb dcpodp sve2 flagm2 frint svei8mm svebf16 i8mm bf16",
  },
  ampere1: {
    from: ["neoverse_n1", "armv8.6a"],
    vendor: "Ampere",
    part: "0xac3",
    adds: "jscvt fcma sha3 sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp flagm2 frint i8mm bf16 rng bti ecv",
  },
  ampere1a: {
    from: ["neoverse_n1", "armv8.6a"],
    vendor: "Ampere",
    part: "0xac4",
    adds: "jscvt fcma sha3 sm3 sm4 sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp flagm2 frint i8mm bf16 rng bti ecv",
  },
  m1: {
    from: ["armv8.4a"],
    vendor: "Apple",
    part: "0x022",
    adds: "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 asimddp sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp flagm2 frint",
  },
  m2: { from: ["m1", "armv8.5a"], vendor: "Apple", part: "0x032", adds: "ecv bf16 i8mm bti" },
  m3: { from: ["m2", "armv8.6a"], vendor: "Apple", part: "Unknown" },
  m4: { from: ["m3", "armv8.6a"], vendor: "Apple", part: "Unknown", adds: "sme sme2" },
  arm: {},
  ppc: {},
  ppcle: {},
  sparc: {},
  sparc64: {},
  riscv64: {},
  u74mc: { from: ["riscv64"], vendor: "SiFive" },
  x60: { from: ["riscv64"], vendor: "SpacemiT" },
};
