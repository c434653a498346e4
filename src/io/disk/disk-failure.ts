import { Failure } from "../../base/failure.js";

/** The system's own code of an error of `node:fs` and friends: `ENOENT`. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * What a user can do something about, named; any other error comes back as it is.
 * @param elsewhere how another place is chosen
 */
export function diskFailure(
  error: unknown,
  { doing, path, elsewhere = "with --store" }: { doing: string; path: string; elsewhere?: string },
): unknown {
  switch (systemCodeOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new Failure("unavailable", `cannot ${doing} ${path}: no space left there`, {
        code: "store.no-space",
        subject: path,
        hint: `Free some space, or choose another place ${elsewhere}.`,
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Failure("denied", `cannot ${doing} ${path}: permission denied`, {
        code: "disk.denied",
        subject: path,
        hint: `Check who owns it, or choose another place ${elsewhere}.`,
        cause: error,
      });
    case "ENAMETOOLONG":
      return new Failure("unsupported", `cannot ${doing} ${path}: the name is too long for the file system`, {
        code: "disk.name-too-long",
        subject: path,
        hint: "Choose a shorter path.",
        cause: error,
      });
    case "EISDIR":
    case "ENOTDIR":
    case "ELOOP":
      return new Failure("conflict", `cannot ${doing} ${path}: ${inTheWay(error)}`, {
        code: "disk.in-the-way",
        subject: path,
        hint: "Move away what is there, or choose another path.",
        cause: error,
      });
    default:
      return error;
  }
}

function inTheWay(error: unknown): string {
  switch (systemCodeOf(error)) {
    case "EISDIR":
      return "a directory is in the way";
    case "ELOOP":
      return "links lead in a circle";
    default:
      return "a file is in the way";
  }
}
