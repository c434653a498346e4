import semver from "semver";
import { compareVersions, parseVersion } from "../src/version/compare.js";
import { parseVersionList, satisfies } from "../src/version/version-list.js";
import { type Prepare, seeded } from "./harness.js";

const count = 100_000;

export const prepare: Prepare = () => {
  const texts = semanticVersions(count);
  const ours = texts.map(parseVersion);
  const theirs = texts.map((text) => new semver.SemVer(text));
  const list = parseVersionList("1.2:4.5");
  // The same set in the words of semver, where a range leaves prereleases out if it is not told otherwise.
  const range = new semver.Range(">=1.2.0-0 <4.6.0-0", { includePrerelease: true });

  const sortOurs = () => [...ours].sort(compareVersions);
  const sortTheirs = () => [...theirs].sort(semver.compare);
  const filterOurs = () => ours.filter((version) => satisfies(version, list));
  const filterTheirs = () => theirs.filter((version) => range.test(version));
  demandSame(sortOurs(), sortTheirs());
  demandSame(filterOurs(), filterTheirs());

  const inOrder = <T>(versions: readonly T[], compare: (a: T, b: T) => number) => {
    let sum = 0;
    for (let i = 1; i < versions.length; i++) {
      const [a, b] = [versions[i - 1], versions[i]];
      if (a !== undefined && b !== undefined) sum += Math.sign(compare(a, b));
    }
    return sum;
  };
  const demands = [{ times: 1 }];
  const unit = "versions";
  const peer = (run: () => unknown) => ({ name: "semver", run });
  return [
    {
      name: "sort 100,000 texts",
      run: () => texts.map(parseVersion).sort(compareVersions),
      peer: peer(() => texts.map((text) => new semver.SemVer(text)).sort(semver.compare)),
      count,
      unit,
      demands,
    },
    { name: "sort 100,000 versions", run: sortOurs, peer: peer(sortTheirs), count, unit, demands },
    {
      name: "filter 100,000 texts by a range",
      run: () => texts.filter((text) => satisfies(parseVersion(text), list)),
      peer: peer(() => texts.filter((text) => semver.satisfies(text, range, { includePrerelease: true }))),
      count,
      unit,
      demands,
    },
    {
      name: "filter 100,000 versions by a range",
      run: filterOurs,
      peer: peer(filterTheirs),
      count,
      unit,
      demands,
    },
    {
      name: "compare neighbours",
      run: () => inOrder(ours, compareVersions),
      peer: peer(() => inOrder(theirs, semver.compare)),
      count,
      unit: "comparisons",
    },
  ];
};

/** Different versions that both understand, a tenth of them prereleases. */
function semanticVersions(size: number): string[] {
  const random = seeded(1);
  const below = (limit: number) => Math.floor(random() * limit);
  const phases = ["alpha", "beta", "rc"];
  const texts = new Set<string>();
  while (texts.size < size) {
    const release = `${below(12)}.${below(60)}.${below(400)}`;
    texts.add(below(10) === 0 ? `${release}-${phases[below(3)]}.${below(20)}` : release);
  }
  return [...texts];
}

/** A time means nothing where the answers differ. */
function demandSame(ours: readonly { text: string }[], theirs: readonly semver.SemVer[]): void {
  const at = ours.findIndex((version, i) => version.text !== theirs[i]?.version);
  if (at >= 0 || ours.length !== theirs.length)
    throw new Error(`stowage and semver differ at ${at}: ${ours[at]?.text} and ${theirs[at]?.version}`);
}
