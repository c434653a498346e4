import { posix } from "node:path";
import { type ConfigNode, textsAt } from "./node.js";

/** `modules:prefix_inspections`: directories in a prefix, and the path lists that each is prepended to. */
export interface ConfiguredInspections {
  /** In the order they are prepended; `""` is the prefix itself. */
  readonly directories: readonly (readonly [directory: string, variables: readonly string[]])[];
  /** Written `prefix_inspections::`, so that nothing is added from elsewhere. */
  readonly replaces: boolean;
}

/** undefined where no scope says any. */
export function decodeInspections(modules: ConfigNode | undefined): ConfiguredInspections | undefined {
  const entry = modules?.type === "map" ? modules.entries.get("prefix_inspections") : undefined;
  if (entry?.value.type !== "map") return undefined;
  const { value, replaces } = entry;
  return {
    directories: [...value.entries.keys()].map((key) => {
      const directory = posix.normalize(key).replace(/\/$/, "");
      return [directory === "." ? "" : directory, textsAt(value, [key])];
    }),
    replaces,
  };
}
