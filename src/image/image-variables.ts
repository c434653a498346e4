import { Failure } from "../base/failure.js";
import type { Environment } from "../environment/environment.js";

/**
 * An environment with variables set over it: `NAME=value`, in which `$NAME` and `${NAME}` stand for what is there so
 * far. A list of paths names each once.
 * @throws Failure `image.variable-invalid`
 */
export function imageVariables(environment: Environment, lines: readonly string[]): Environment {
  const result = new Map(environment);
  for (const line of lines) {
    const [, name, value = ""] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line) ?? [];
    if (name === undefined)
      throw new Failure("usage", `"${line}" sets no variable`, {
        code: "image.variable-invalid",
        subject: line,
        hint: "Write NAME=value.",
      });
    const text = value.replace(
      /\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g,
      (_, braced: string | undefined, bare: string | undefined) => result.get(braced ?? bare ?? "") ?? "",
    );
    const parts = text.split(":");
    const isList = parts.length > 1 && parts.every((part) => part === "" || part.startsWith("/"));
    result.set(name, isList ? [...new Set(parts)].filter((part) => part !== "").join(":") : text);
  }
  return result;
}
