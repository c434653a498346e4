/** Where a piece of configuration was written. Lines count from 1. */
export interface Origin {
  /** Name of the scope, as Spack calls it: `user`, `site`, `env:NAME`. */
  readonly scope: string;
  readonly file: string;
  readonly line: number;
}

export type Scalar = string | number | boolean | null;

/** A configuration value that knows who wrote it, so that errors and `config blame` can say so. */
export type ConfigNode = ScalarNode | ListNode | MapNode;

export interface ScalarNode {
  readonly type: "scalar";
  readonly origin: Origin;
  readonly value: Scalar;
}

export interface ListNode {
  readonly type: "list";
  readonly origin: Origin;
  readonly items: readonly ConfigNode[];
}

export interface MapNode {
  readonly type: "map";
  readonly origin: Origin;
  /** In the order of the file. Keys are without the second colon of `key::`. */
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  /** Where the key stands. */
  readonly origin: Origin;
  /** Written `key::`: replaces what lower scopes say instead of merging with it. */
  readonly replaces: boolean;
  readonly value: ConfigNode;
}

export type Plain = Scalar | readonly Plain[] | { readonly [key: string]: Plain };

/** The value alone. */
export function plainOf(node: ConfigNode): Plain {
  switch (node.type) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainOf);
    case "map":
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainOf(entry.value)]));
  }
}

/** What stands at `path` (`["config", "install_tree", "root"]`). */
export function nodeAt(node: ConfigNode | undefined, path: readonly string[]): ConfigNode | undefined {
  let at = node;
  for (const key of path) {
    if (at?.type !== "map") return undefined;
    at = at.entries.get(key)?.value;
  }
  return at;
}

/** The text at `path`; undefined where there is none, or something else. Types were checked when the file was read. */
export function textAt(node: ConfigNode | undefined, path: readonly string[]): string | undefined {
  const found = nodeAt(node, path);
  return found?.type === "scalar" && typeof found.value === "string" ? found.value : undefined;
}

/** The texts of the list at `path`; a missing list is empty. */
export function textsAt(node: ConfigNode | undefined, path: readonly string[]): readonly string[] {
  const found = nodeAt(node, path);
  if (found?.type !== "list") return [];
  return found.items.flatMap((item) =>
    item.type === "scalar" && typeof item.value === "string" ? [item.value] : [],
  );
}

export function flagAt(node: ConfigNode | undefined, path: readonly string[]): boolean | undefined {
  const found = nodeAt(node, path);
  return found?.type === "scalar" && typeof found.value === "boolean" ? found.value : undefined;
}
