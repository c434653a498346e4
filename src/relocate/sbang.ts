import { concat, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";

/** Where a store keeps the script that runs scripts with long interpreter lines, as Spack does. */
export const sbangPathOf = (root: string): string => `${root}/bin/sbang`;

/** Bytes that every Linux since 2.6 reads of an interpreter line, its newline included (BINPRM_BUF_SIZE - 1). */
export const shebangLimit = 127;

export interface SbangOptions {
  /** Path of the script of `sbangScript`. */
  readonly sbang: string;
  /** Bytes that an interpreter line may have, its newline included. */
  readonly limit?: number | undefined;
}

/**
 * A script whose interpreter line is too long for the kernel, started by `sbang` instead: its own line becomes the
 * second, as a comment of its language.
 * @returns undefined for what is no script or has a line that is short enough
 * @throws Failure `relocate.sbang-too-long`
 */
export function wrapShebang(
  bytes: Uint8Array,
  { sbang, limit = shebangLimit }: SbangOptions,
): Uint8Array | undefined {
  if (bytes[0] !== 0x23 || bytes[1] !== 0x21) return undefined; // #!
  const newline = bytes.indexOf(0x0a);
  const length = newline === -1 ? bytes.length : newline + 1;
  if (length <= limit) return undefined;
  const first = `#!/bin/sh ${sbang}\n`;
  if (Buffer.byteLength(first) > limit)
    throw new Failure(
      "unsupported",
      `the path ${sbang} is too long for an interpreter line of ${limit} bytes`,
      {
        code: "relocate.sbang-too-long",
        subject: sbang,
        hint: `Use a store root of at most ${limit - Buffer.byteLength(`#!/bin/sh ${sbangPathOf("")}\n`)} bytes.`,
      },
    );
  const line = Buffer.from(bytes.subarray(0, newline === -1 ? length : newline)).toString("latin1");
  return concat([utf8(first), Buffer.from(commented(line), "latin1"), bytes.subarray(line.length)]);
}

/** The line as the second of its file, where only `#` has a meaning for all languages but these. */
function commented(line: string): string {
  const interpreter = /^#!\s*([^\s]*)/.exec(line)?.[1] ?? "";
  const rest = line.slice(1);
  if (/\/lua[^/]*$/.test(interpreter)) return `--${rest}`;
  if (/\/node[^/]*$/.test(interpreter)) return `//${rest}`;
  if (/\/php[^/]*$/.test(interpreter)) return `<?php #${rest} ?>`;
  return line;
}

/** The file at `sbangPathOf`, executable. */
export const sbangScript = `#!/bin/sh
# Runs a script whose interpreter line is too long for the kernel. Line 1 of the script names this file; line 2 is
# its own line, which starts with #!, //! (node), --! (lua) or <?php #! (php).
if [ $# -eq 0 ]; then
  echo "usage: sbang SCRIPT [ARGUMENT...]" >&2
  exit 2
fi
{ read -r _ && read -r line; } <"$1" || [ -n "$line" ] || exit 1
case $line in
  '#!'*) line=\${line#'#!'} ;;
  '//!'*) line=\${line#'//!'} ;;
  '--!'*) line=\${line#'--!'} ;;
  '<?php #!'*) line=\${line#'<?php #!'} line=\${line%'?>'} ;;
  *)
    echo "sbang: $1: line 2 names no interpreter" >&2
    exit 1
    ;;
esac
set -f
case \${line##*/} in
  # Perl would start what line 1 names; -x sends it to the first line that names perl.
  perl*) exec $line -x "$@" ;;
  *) exec $line "$@" ;;
esac
`;
