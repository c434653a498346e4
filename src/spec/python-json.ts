/**
 * JSON as Python's `json.dumps` writes it with `separators=(",", ":")` and `ensure_ascii=True`: what a DAG
 * hash is the hash of, and what Spack writes to `spec.json`.
 *
 * Limit: `JSON.parse` reads `1.0` as 1, so it comes out as `1`. Of a node only `external.extra_attributes`,
 * which users write, can hold numbers.
 */
export function pythonJson(value: unknown): string {
  const plain = JSON.stringify(value);
  return unusual.test(plain) ? slowJson(value) : plain;
}

/** Where the two may differ: characters to be escaped, keys that are numbers, numbers that are very large or small. */
const unusual = /[^ -~]|[{,]"[0-9]+":|[:,[]-?(?=[0-9])(?!(?:0|[1-9][0-9]{0,14}(?:\.[0-9]+)?)[,\]}])/;

function slowJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(slowJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = entriesInOrder(value).map(([key, member]) => `${quote(key)}:${slowJson(member)}`);
    return `{${members.join(",")}}`;
  }
  if (typeof value === "string") return quote(value);
  return typeof value === "number" ? pythonNumber(value) : JSON.stringify(value);
}

const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Keys such as `1`, which JavaScript moves to the front of every object. */
const isIndex = (key: string): boolean => /^(?:0|[1-9][0-9]{0,9})$/.test(key);

/**
 * An object's members in the order of the file. JavaScript forgets the place of keys such as `1`; Spack sorts
 * every object of a node that can have them (variants, extra attributes), so theirs is before the first
 * greater key.
 */
function entriesInOrder(object: object): [string, unknown][] {
  const entries: [string, unknown][] = Object.entries(object).filter(([, member]) => member !== undefined);
  if (entries.length < 2 || !isIndex(entries[0]?.[0] ?? "")) return entries;
  const ordered = entries.filter(([key]) => !isIndex(key));
  for (const entry of entries.filter(([key]) => isIndex(key))) {
    const at = ordered.findIndex(([key]) => key > entry[0]);
    ordered.splice(at < 0 ? ordered.length : at, 0, entry);
  }
  return ordered;
}

/** Python's `repr` of a float switches to an exponent from 1e16 and below 1e-4. */
function pythonNumber(value: number): string {
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (Number.isInteger(value) || (power >= -4 && power < 16)) return String(value);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
