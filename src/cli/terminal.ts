import type { WriteStream } from "node:tty";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";

export type ColorChoice = "auto" | "always" | "never";

/** Where a command writes: data to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Width of lines on `out`; 80 where it is no terminal. */
  readonly columns: number;
  /** Whether `out` and `err` are read by a person at a screen. */
  readonly isTty: { readonly out: boolean; readonly err: boolean };
  paintOut(style: Style, text: string): string;
  paintErr(style: Style, text: string): string;
}

const codes: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  cyan: 36,
};

interface Streams {
  readonly stdout: Pick<WriteStream, "write"> & { isTTY?: boolean; columns?: number };
  readonly stderr: Pick<WriteStream, "write"> & { isTTY?: boolean };
}

/** Colours by https://no-color.org and FORCE_COLOR, unless `--color` decides. */
export function openTerminal(
  { stdout, stderr }: Streams,
  { color, env }: { color: ColorChoice; env: Readonly<Record<string, string | undefined>> },
): Terminal {
  const colored = (isTty: boolean): boolean => {
    if (color !== "auto") return color === "always";
    if (env["NO_COLOR"]) return false;
    if (env["FORCE_COLOR"] !== undefined) return env["FORCE_COLOR"] !== "0";
    return isTty && env["TERM"] !== "dumb";
  };
  const painter =
    (on: boolean) =>
    (style: Style, text: string): string =>
      on && text !== "" ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
  const isTty = { out: stdout.isTTY === true, err: stderr.isTTY === true };
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    columns: stdout.columns ?? 80,
    isTty,
    paintOut: painter(colored(isTty.out)),
    paintErr: painter(colored(isTty.err)),
  };
}
