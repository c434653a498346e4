import { addMirror } from "../../app/mirror.js";
import { type CommandDefinition, examples } from "../command.js";
import {
  addConnectionOptions,
  addContentOptions,
  connectionChange,
  contentChange,
  loginLines,
  loginTo,
} from "../connection-options.js";

export const mirrorAdd: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name to give it")
      .argument("<url>", "oci://…, s3://…, https://…, or a path");
    addContentOptions(command);
    command.option("--autopush", "let Spack push what it has built");
    addConnectionOptions(command);
    examples(command, [
      ["stowage mirror add cache oci://ghcr.io/me/cache", "log in with `stowage login ghcr.io`"],
      [
        "stowage mirror add --oci-username-variable USER --oci-password-variable TOKEN ci oci://ghcr.io/me/cache",
        "log in by variables",
      ],
      [
        "stowage mirror add --oci-username me --oci-password - cache oci://ghcr.io/me/cache < token",
        "log in at once",
      ],
      ["stowage mirror add local oci+http://localhost:5000/cache", "a registry without TLS"],
    ]);
  },
  async run({ given, options }) {
    const login = await loginTo(given.argument(1), { given, options });
    const edit = await addMirror(given.argument(0), given.argument(1), {
      ...options,
      ...connectionChange(given),
      ...contentChange(given),
      autopush: given.flag("autopush"),
    });
    return {
      document: { ...edit, login },
      lines: () => [...loginLines(login), `added mirror ${edit.name} (scope ${edit.scope}, ${edit.file})`],
    };
  },
};
