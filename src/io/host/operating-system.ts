/** Spack's name of a Linux distribution, from the text of os-release(5): `debian12`, `ubuntu24.04`, `rhel9`. */
export function osOfRelease(text: string): string {
  const facts = new Map(
    text.split("\n").flatMap((line) => {
      const [, key, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
      return key === undefined || value === undefined
        ? []
        : [[key, value.replace(/^(["'])(.*)\1$/, "$2")] as const];
    }),
  );
  const id = (facts.get("ID") ?? "unknown").toLowerCase().replace(/ /g, "_");
  const version = (facts.get("VERSION_ID") ?? "").split(/[^\w-]/);
  // Ubuntu's releases are a year and a month; of all others the first number counts.
  const shown = id.includes("ubuntu") ? version.slice(0, 2).join(".") : (version[0] ?? "");
  return `${osNames.get(id) ?? id}${shown}`.replaceAll("-", "_");
}

/** Where Spack has another name than os-release. */
const osNames: ReadonlyMap<string, string> = new Map([
  ["ol", "oracle"],
  ["opensuse-leap", "opensuse"],
]);

const macReleases: ReadonlyMap<string, string> = new Map([
  ["11", "bigsur"],
  ["12", "monterey"],
  ["13", "ventura"],
  ["14", "sonoma"],
  ["15", "sequoia"],
  ["26", "tahoe"],
]);

/** Spack's name of a macOS release since 11: `14.5` is `sonoma`. */
export const osOfMacVersion = (version: string): string =>
  macReleases.get(version.split(".")[0] ?? "") ?? "macos";
