import { Failure } from "../base/failure.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";

/**
 * The hashes in a list, one a line, as Spack's `--keeplist` has them: with or without a slash before.
 * @throws Failure `buildcache.keeplist-invalid`
 */
export function parseKeepList(text: string, subject: string): readonly DagHash[] {
  const invalid = (found: string): Failure =>
    new Failure("usage", `${subject}${found}`, {
      code: "buildcache.keeplist-invalid",
      subject,
      hint: "Write one whole hash a line: `spack find --format '{hash}'` tells them. Lines with # are comments.",
    });
  const hashes = text.split("\n").flatMap((line, i) => {
    const hash = line.replace(/#.*/, "").trim().replace(/^\/+/, "");
    if (hash === "") return [];
    // A list that is read wrong would keep less than was meant.
    if (!isDagHash(hash)) throw invalid(`:${i + 1}: "${line.trim()}" is no hash`);
    return [hash];
  });
  if (hashes.length === 0) throw invalid(" lists nothing to keep");
  return hashes;
}

/** Milliseconds in units of ages. A month has 30 days, a year 365. */
const units: Readonly<Record<string, number>> = {
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  m: 30 * 86_400_000,
  y: 365 * 86_400_000,
};

/** Milliseconds of an age: `12h`, `30d`, `2w`, `6m`, `1y`. @throws Failure `buildcache.age-invalid` */
export function parseAge(text: string): number {
  const match = /^(\d{1,6}) ?([hdwmy])$/.exec(text.trim());
  const unit = units[match?.[2] ?? ""];
  if (unit !== undefined) return Number(match?.[1]) * unit;
  throw new Failure("usage", `"${text}" is no age`, {
    code: "buildcache.age-invalid",
    subject: text,
    hint: "Write a number of hours, days, weeks, months or years: 12h, 30d, 2w, 6m, 1y.",
  });
}
