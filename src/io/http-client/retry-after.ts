/** Units of the durations that registries write in messages (Go's notation), in milliseconds. */
const units: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["\u00b5s", 1e-3],
  ["\u03bcs", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/**
 * How long a registry asks to wait, in milliseconds: a `Retry-After` header in seconds (fractions too) or as
 * a date (RFC 9110, 10.2.3), or what GHCR writes in the body instead: `retry-after: 1.5ms, allowed: 2000/minute`.
 */
export function parseRetryAfter(
  header: string | undefined,
  { body, now }: { body: string; now: number },
): number | undefined {
  if (header !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(header)) return Number(header) * 1000;
  const date = header === undefined ? Number.NaN : Date.parse(header);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const said =
    /retry[- _]after["']?\s*[:=]\s*["']?((?:\d+(?:\.\d+)?(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+|\d+(?:\.\d+)?)/iu.exec(
      body,
    )?.[1];
  if (said === undefined) return undefined;
  const parts = [...said.matchAll(/(\d+(?:\.\d+)?)([a-z\u00b5\u03bc]*)/giu)];
  return parts.reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (units.get(unit.toLowerCase()) ?? 1000),
    0,
  );
}
