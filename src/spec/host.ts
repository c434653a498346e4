/** The machine that binaries are meant to run on. */
export interface Host {
  /** `linux`, `darwin`. */
  readonly platform: string;
  /** Operating system as Spack names it: `debian12`, `sequoia`. */
  readonly os: string;
  /** Its microarchitecture: the most specific one whose binaries it runs. */
  readonly target: string;
  /** `2.36`; undefined where there is no glibc. */
  readonly glibc: string | undefined;
}
