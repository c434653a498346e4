import { type Command, Option } from "commander";
import type { LoginResult } from "../../app/auth.js";
import { listMirrors, type MirrorEdit, setMirror } from "../../app/mirror.js";
import { Failure } from "../../base/failure.js";
import type { Direction } from "../../config/mirror.js";
import type { MirrorChange } from "../../config/mirror-change.js";
import { type Answer, type CommandDefinition, examples, type Invocation } from "../command.js";
import {
  addConnectionOptions,
  addContentOptions,
  connectionChange,
  contentChange,
  loginLines,
  loginTo,
} from "../connection-options.js";
import type { Given } from "../given.js";

/** Keys that `--unset` takes away, by their name in mirrors.yaml. */
const removable: Readonly<Record<string, MirrorChange>> = {
  view: { view: null },
  signed: { signed: null },
  profile: { profile: null },
  endpoint_url: { endpointUrl: null },
  access_token_variable: { tokenVariable: null },
  include_binary: { include: null },
  exclude_binary: { exclude: null },
};

export const mirrorSet: CommandDefinition = {
  define(command) {
    command.argument("<mirror>", "its name").option("--url <url>", "where it is");
    addDirections(command);
    addContentOptions(command);
    command
      .option("--autopush", "let Spack push what it has built")
      .option("--no-autopush", "do not")
      .addOption(
        new Option("--unset <key>", `take a key away (${Object.keys(removable).join(", ")})`).choices(
          Object.keys(removable),
        ),
      );
    addConnectionOptions(command);
    examples(command, [
      ["stowage mirror set --unsigned cache", "no signature needed"],
      ["stowage mirror set --push --url oci://ghcr.io/me/cache cache", "push elsewhere than fetch"],
      ["stowage mirror set --include-binary 'gcc@13:' cache", "use only some packages"],
    ]);
  },
  async run({ given, options }) {
    const unset = given.text("unset");
    const login = await loginTo(given.text("url") ?? (await urlOf({ given, options })), { given, options });
    const edit = await setMirror(given.argument(0), {
      ...options,
      url: given.text("url"),
      ...connectionChange(given),
      ...contentChange(given),
      ...(unset === undefined ? {} : removable[unset]),
      autopush: given.flag("autopush"),
      direction: directionOf(given),
    });
    return answer(edit, login);
  },
};

export const mirrorSetUrl: CommandDefinition = {
  define(command) {
    command.argument("<mirror>", "its name").argument("<url>", "where it is now");
    addDirections(command);
    addConnectionOptions(command);
    examples(command, [["stowage mirror set-url --push cache oci://ghcr.io/me/cache", "only for pushing"]]);
  },
  async run({ given, options }) {
    const login = await loginTo(given.argument(1), { given, options });
    const edit = await setMirror(given.argument(0), {
      ...options,
      url: given.argument(1),
      ...connectionChange(given),
      direction: directionOf(given),
    });
    return answer(edit, login);
  },
};

/** Where a mirror is for the direction in question, if there is such a mirror. */
async function urlOf({ given, options }: Pick<Invocation, "given" | "options">): Promise<string | undefined> {
  const mirror = (await listMirrors(options)).find(({ name }) => name === given.argument(0));
  return mirror?.[directionOf(given) ?? "fetch"]?.url;
}

function addDirections(command: Command): void {
  command
    .option("--push", "change only how packages are pushed")
    .option("--fetch", "change only how packages are fetched");
}

function directionOf(given: Given): Direction | undefined {
  const push = given.flag("push") === true;
  const fetch = given.flag("fetch") === true;
  if (push && fetch)
    throw new Failure("usage", "--push and --fetch exclude each other", {
      code: "cli.usage",
      hint: "Leave both out to change both.",
    });
  return push ? "push" : fetch ? "fetch" : undefined;
}

const answer = (edit: MirrorEdit, login: LoginResult | undefined): Answer => ({
  document: { ...edit, login },
  lines: () => [
    ...loginLines(login),
    edit.changed
      ? `changed mirror ${edit.name} (scope ${edit.scope}, ${edit.file})`
      : `mirror ${edit.name} is like that already`,
  ],
});
