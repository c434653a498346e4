import { type ConfigNode, flagAt, nodeAt, type Origin, textAt, textsAt } from "./node.js";
import { configFailure } from "./parse.js";

/** An entry of an `include` section. */
export interface Include {
  readonly origin: Origin;
  readonly name: string | undefined;
  /** Local paths, as written; the variable that replaces the path has been looked at. */
  readonly paths: readonly string[];
  /** URL of the git repository that the paths are in. */
  readonly git: string | undefined;
  readonly optional: boolean;
}

/** What a `when` may ask. */
export interface Conditions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
}

/**
 * The includes that apply here, strongest first.
 * @throws Failure `config.include-condition` for a `when` that is more than a look at a variable or the platform
 */
export function decodeIncludes(section: ConfigNode | undefined, conditions: Conditions): readonly Include[] {
  if (section?.type !== "list") return [];
  return section.items.flatMap((item) => {
    const when = textAt(item, ["when"]);
    if (when !== undefined && !holds(when, conditions, nodeAt(item, ["when"])?.origin ?? item.origin))
      return [];
    const path = item.type === "scalar" ? String(item.value) : textAt(item, ["path"]);
    const override = textAt(item, ["path_override_env_var"]);
    const replaced = override === undefined ? undefined : conditions.env[override];
    return [
      {
        origin: item.origin,
        name: textAt(item, ["name"]),
        paths: replaced !== undefined ? [replaced] : path !== undefined ? [path] : textsAt(item, ["paths"]),
        git: textAt(item, ["git"]),
        optional: flagAt(item, ["optional"]) ?? false,
      },
    ];
  });
}

/** Spack evaluates Python here. What its own files and documentation use is understood; the rest is refused. */
function holds(when: string, { env, platform }: Conditions, origin: Origin): boolean {
  return when.split(/\s+or\s+/).some((alternative) =>
    alternative.split(/\s+and\s+/).every((term) => {
      const membership = /^\s*(["'])(\w+)\1\s+(not\s+)?in\s+env\s*$/.exec(term);
      if (membership?.[2] !== undefined)
        return (env[membership[2]] !== undefined) === (membership[3] === undefined);
      const equality = /^\s*platform\s*(==|!=)\s*(["'])(\w+)\2\s*$/.exec(term);
      if (equality !== null) return (platform === equality[3]) === (equality[1] === "==");
      if (/^\s*(True|False)\s*$/.test(term)) return term.trim() === "True";
      throw configFailure(origin, `cannot evaluate the condition ${when}`, {
        code: "config.include-condition",
        hint: 'Understood: "NAME" in env, "NAME" not in env, platform == "linux", and, or.',
      });
    }),
  );
}
