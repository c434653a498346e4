import { Failure } from "../base/failure.js";
import { type ConfigNode, flagAt, textAt } from "./node.js";

/** `packages:NAME:permissions` of one package, as modes. */
export interface PackagePermissions {
  /** Of directories. */
  readonly directory: number;
  /** Of files that may be executed. */
  readonly file: number;
  /** Name of the group that owns all of it. */
  readonly group: string | undefined;
}

const levels: Readonly<Record<string, number>> = { user: 1, group: 2, world: 3 };

/**
 * Who may read and write a package: what is said of it, else of `all`, each key on its own (Spack's
 * `get_package_permissions`). Directories give their group to what is made in them, unless `config:allow_sgid` is off.
 * @throws Failure `config.permissions-conflict` where more may write than read
 */
export function permissionsOf(
  name: string,
  { packages, config }: { packages: ConfigNode | undefined; config: ConfigNode | undefined },
): PackagePermissions {
  const said = (key: string) =>
    textAt(packages, [name, "permissions", key]) || textAt(packages, ["all", "permissions", key]);
  const read = levels[said("read") ?? "world"] ?? 3;
  const write = levels[said("write") ?? "user"] ?? 1;
  if (write > read)
    throw new Failure("usage", `more may write ${name} than read it, says packages:permissions`, {
      code: "config.permissions-conflict",
      subject: name,
      hint: "Set permissions:read to what permissions:write is.",
    });
  let file = 0o700;
  if (read >= 2) file |= 0o050;
  if (read === 3) file |= 0o005;
  if (write >= 2) file |= 0o020;
  if (write === 3) file |= 0o002;
  const sticky = (file & 0o070) !== 0 && flagAt(config, ["allow_sgid"]) !== false;
  return { directory: sticky ? file | 0o2000 : file, file, group: said("group") || undefined };
}
