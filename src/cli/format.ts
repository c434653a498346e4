export { formatDuration, formatSize, plural } from "../base/quantity.js";

// biome-ignore lint/complexity/useRegexLiterals: the escape is easier to see in a text
const escapes = new RegExp("\u001b\\[[0-9;]*m", "g");

/** Columns that a text takes; specs, paths and URLs are of narrow characters. */
export const widthOf = (text: string): number => text.replace(escapes, "").length;

export const padTo = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - widthOf(text)));

/** Rows with aligned columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : padTo(cell, widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** Short texts in as many columns as fit, filled column by column, as `spack find` shows them. */
export function columns(texts: readonly string[], width: number): readonly string[] {
  for (let rows = 1; rows < texts.length; rows++) {
    const count = Math.ceil(texts.length / rows);
    const widths = Array.from({ length: count }, (_, c) =>
      Math.max(...texts.slice(c * rows, (c + 1) * rows).map(widthOf)),
    );
    if (widths.reduce((sum, w) => sum + w + 2, -2) > width) continue;
    return Array.from({ length: rows }, (_, r) =>
      widths
        .map((w, c) => padTo(texts[c * rows + r] ?? "", w))
        .join("  ")
        .trimEnd(),
    );
  }
  return texts;
}
