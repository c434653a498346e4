import { type Command, Option } from "commander";
import { type LoginResult, login } from "../app/auth.js";
import { Failure } from "../base/failure.js";
import type { AccessChange, MirrorChange } from "../config/mirror-change.js";
import { readInput } from "./ask.js";
import { type Invocation, repeatable } from "./command.js";
import type { Given } from "./given.js";

/** Spack's options for how a mirror is reached. */
export function addConnectionOptions(command: Command): void {
  command
    .optionsGroup("S3 connection:")
    .addOption(new Option("--s3-access-key-id <id>", "access key id").conflicts("s3AccessKeyIdVariable"))
    .option("--s3-access-key-id-variable <variable>", "environment variable with the access key id")
    .option("--s3-access-key-secret-variable <variable>", "environment variable with the secret key")
    .option("--s3-access-token-variable <variable>", "environment variable with a session token")
    .option("--s3-profile <profile>", "profile in ~/.aws")
    .option("--s3-endpoint-url <url>", "endpoint of another provider than AWS")
    .optionsGroup("OCI connection:")
    .addOption(new Option("--oci-username <user>", "user name").conflicts("ociUsernameVariable"))
    .option("--oci-username-variable <variable>", "environment variable with the user name")
    .option("--oci-password-variable <variable>", "environment variable with the password")
    .option(
      "--oci-password <source>",
      "`-`: log in with a password from standard input, kept where docker keeps it",
    )
    .addOption(new Option("--s3-access-key-secret [secret]").hideHelp())
    .addOption(new Option("--s3-access-token [token]").hideHelp());
}

/** What a mirror holds, and what of it is used. */
export function addContentOptions(command: Command): void {
  command
    .addOption(
      repeatable("--type <type>", "what it holds: binary, source (repeatable; else both)", [
        "binary",
        "source",
      ]),
    )
    .option("--signed", "packages must carry a good signature")
    .addOption(new Option("--unsigned", "packages need no signature").conflicts("signed"))
    .option("-n, --name <view>", "name of the index view to use")
    .addOption(repeatable("--include-binary <spec>", "use only packages that match (repeatable)"))
    .addOption(repeatable("--exclude-binary <spec>", "never use packages that match (repeatable)"));
}

function typesOf(given: Given): Pick<MirrorChange, "binary" | "source"> {
  const types = given.texts("type");
  if (types.length === 0) return {};
  return { binary: types.includes("binary"), source: types.includes("source") };
}

/** @throws Failure `mirror.secret-refused`, `mirror.change-invalid` */
export function connectionChange(given: Given): MirrorChange {
  for (const [option, instead] of [
    ["s3AccessKeySecret", "--s3-access-key-secret-variable"],
    ["s3AccessToken", "--s3-access-token-variable"],
  ] as const)
    if (given.text(option) !== undefined || given.flag(option) === true)
      throw new Failure("usage", "a secret is not written into configuration files", {
        code: "mirror.secret-refused",
        hint: `Name an environment variable with ${instead}, or log in once with \`docker login\`.`,
      });
  const access = accessOf(given, "s3AccessKeyId", "s3AccessKeySecretVariable");
  // A login is in no configuration file, and neither is its user.
  const isLogin = given.text("ociPassword") !== undefined;
  const ociAccess = isLogin ? undefined : accessOf(given, "ociUsername", "ociPasswordVariable");
  if (access !== undefined && ociAccess !== undefined)
    throw new Failure("usage", "a mirror is on S3 or in a registry, not both", {
      code: "mirror.change-invalid",
    });
  return {
    access: access ?? ociAccess,
    tokenVariable: given.text("s3AccessTokenVariable"),
    profile: given.text("s3Profile"),
    endpointUrl: given.text("s3EndpointUrl"),
  };
}

/**
 * Logs in to the registry of a mirror where `--oci-password -` asks for it.
 * @param url where the mirror is, or will be
 * @throws Failure `mirror.secret-refused` for a password in the arguments, which everyone on the machine can read
 */
export async function loginTo(
  url: string | undefined,
  { given, options }: Pick<Invocation, "given" | "options">,
): Promise<LoginResult | undefined> {
  const password = given.text("ociPassword");
  if (password === undefined) return undefined;
  if (password !== "-")
    throw new Failure("usage", "a password in a command can be read by everyone on the machine", {
      code: "mirror.secret-refused",
      hint: "Give it on standard input (`--oci-password -`), or name a variable with --oci-password-variable.",
    });
  const variable = given.text("ociUsernameVariable");
  const username = variable === undefined ? given.text("ociUsername") : process.env[variable];
  const registry = /^oci(?:\+http)?:\/\/[^/]+/i.exec(url ?? "")?.[0];
  if (given.text("ociPasswordVariable") !== undefined || !username || registry === undefined)
    throw new Failure("usage", `there is nothing to log in to with --oci-password`, {
      code: "mirror.change-invalid",
      hint: "It goes with --oci-username, without --oci-password-variable, and for a URL oci://….",
    });
  return await login(registry, { ...options, username, password: await readInput() });
}

/** What there is to tell of a login that was made. */
export const loginLines = (made: LoginResult | undefined): readonly string[] =>
  made === undefined
    ? []
    : [
        `logged in to ${made.registry} as ${made.username}; kept in ${made.place}`,
        ...(made.isPlain ? ["  (not encrypted; docker's credsStore names a helper that does better)"] : []),
        ...(made.verified ? [] : ["  (the registry lets anyone in, and did not look at the login)"]),
      ];

export function contentChange(given: Given): MirrorChange {
  const signed = given.flag("signed") ?? (given.flag("unsigned") === true ? false : undefined);
  const some = (list: readonly string[]): readonly string[] | undefined =>
    list.length === 0 ? undefined : list;
  return {
    ...typesOf(given),
    signed,
    view: given.text("name"),
    include: some(given.texts("includeBinary")),
    exclude: some(given.texts("excludeBinary")),
  };
}

function accessOf(given: Given, id: string, secret: string): AccessChange | undefined {
  const access = {
    id: given.text(id),
    idVariable: given.text(`${id}Variable`),
    secretVariable: given.text(secret),
  };
  return Object.values(access).some((value) => value !== undefined) ? access : undefined;
}
