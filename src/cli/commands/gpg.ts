import { Option } from "commander";
import {
  createGpgKey,
  exportGpgKeys,
  listGpgKeys,
  mirrorKeys,
  publishGpgKeys,
  signDocument,
  type TrustOptions,
  trustDefaultKeys,
  trustKeyFile,
  untrustKeys,
  verifyDocument,
} from "../../app/gpg-keys.js";
import { Failure } from "../../base/failure.js";
import { ask } from "../ask.js";
import { accept, type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import type { Given } from "../given.js";

type GpgKey = Parameters<TrustOptions["confirm"]>[0];

const yes = "-y, --yes-to-all";

/** Asks about each key, unless all were agreed to. */
function confirmBy(given: Given): TrustOptions["confirm"] {
  return async (key) => {
    if (given.flag("yesToAll") === true) return true;
    if (process.stdin.isTTY !== true)
      throw new Failure(
        "usage",
        `whether to trust ${nameOf(key)} is to be confirmed, and there is nobody to ask`,
        {
          code: "gpg.confirmation-needed",
          subject: key.fingerprint,
          hint: "Compare the fingerprint with what its owner tells, and give --yes-to-all.",
        },
      );
    return /^y(es)?$/i.test((await ask(`Trust key ${nameOf(key)}? [y/N] `)).trim());
  };
}

const nameOf = ({ fingerprint, userIds }: Pick<GpgKey, "fingerprint" | "userIds">): string =>
  userIds[0] === undefined ? fingerprint : `${fingerprint} (${userIds[0]})`;

const day = (date: Date): string => date.toISOString().slice(0, 10);

function trusting(
  define: CommandDefinition["define"],
  run: (given: Given, options: Parameters<typeof trustKeyFile>[1]) => Promise<readonly GpgKey[]>,
): CommandDefinition {
  return {
    define(command) {
      define(command);
      command.option(yes, "trust all of them, without asking");
    },
    async run({ given, options }) {
      const trusted = await run(given, { ...options, confirm: confirmBy(given) });
      return {
        document: { trusted },
        lines: () => [
          ...trusted.map((key) => `trusted ${nameOf(key)}`),
          `${plural(trusted.length, "key")} trusted`,
        ],
      };
    },
  };
}

export const gpgTrust = trusting(
  (command) => {
    command.argument("<keyfile>", "file of keys, armored or not");
    examples(command, [["stowage gpg trust key.pub", "asks whether to trust each key in it"]]);
  },
  (given, options) => trustKeyFile(given.argument(0), options),
);

export const gpgInit = trusting(
  (command) => {
    command.addOption(new Option("--from <dir>", "a folder of files *.key instead of Spack's"));
    examples(command, [["stowage gpg init --yes-to-all", "trust the keys that come with Spack"]]);
  },
  (given, options) => trustDefaultKeys({ ...options, from: given.text("from") }),
);

export const gpgUntrust: CommandDefinition = {
  define(command) {
    command
      .argument("<keys...>", "fingerprints, key ids or parts of user ids")
      .option("--signing", "delete secret keys, too");
    examples(command, [["stowage gpg untrust 797D9A04F3867B5E94147454A0FE8B241990D6B3", "by fingerprint"]]);
  },
  async run({ given, options }) {
    const keys = await untrustKeys(given.rest(0), { ...options, secret: given.flag("signing") });
    return { document: { untrusted: keys }, lines: () => keys.map((key) => `no longer trusted: ${key}`) };
  },
};

export const gpgList: CommandDefinition = {
  define(command) {
    command.option("--signing", "the keys with which one can sign");
    accept(command, ["--trusted", "-f, --fmt <format>"]);
    examples(command, [
      ["stowage gpg list", "whose signatures are accepted"],
      ["stowage gpg list --signing", "with which keys packages can be signed"],
    ]);
  },
  async run({ given, options, terminal }) {
    const { home, keys } = await listGpgKeys({ ...options, secret: given.flag("signing") });
    if (keys.length === 0) terminal.err(`no keys in ${home}\n`);
    return {
      document: { home, keys },
      *lines(paint) {
        for (const key of keys) {
          const state = key.state === "valid" ? "" : ` ${paint("red", key.state)}`;
          const end = key.expires === undefined ? "" : `, until ${day(key.expires)}`;
          yield `${paint("bold", key.fingerprint)}${state}  made ${day(key.created)}${end}`;
          for (const userId of key.userIds) yield `    ${userId}`;
        }
      },
    };
  },
};

export const gpgCreate: CommandDefinition = {
  define(command) {
    command
      .argument("<name>", "whose key it is")
      .argument("<email>", "their address")
      .option("--comment <text>", "what it is for (GPG created for Spack)")
      .option("--expires <when>", "0 (never), 2y, 2030-01-01 (0)")
      .option("--export <file>", "write the public key there")
      .option("--export-secret <file>", "write the secret key there");
    examples(command, [
      ['stowage gpg create --export key.pub "CI" ci@example.com', "a key for a build cache"],
    ]);
  },
  async run({ given, options }) {
    const made = await createGpgKey(
      {
        name: given.argument(0),
        email: given.argument(1),
        comment: given.text("comment") ?? "GPG created for Spack",
        expires: given.text("expires") ?? "0",
      },
      { ...options, export: given.text("export"), exportSecret: given.text("exportSecret") },
    );
    return { document: made, lines: () => [`made the key ${made.fingerprint} in ${made.home}`] };
  },
};

export const gpgExport: CommandDefinition = {
  define(command) {
    command
      .argument("<file>", "where to write them")
      .argument("[keys...]", "which keys (all that can sign)")
      .option("--secret", "the secret keys");
    examples(command, [["stowage gpg export key.pub", "what others have to trust"]]);
  },
  async run({ given, options }) {
    const [file, keys] = [given.argument(0), given.rest(1)];
    const exported = await exportGpgKeys(file, { ...options, keys, secret: given.flag("secret") });
    return {
      document: { file, keys: exported },
      lines: () => [`${plural(exported.length, "key")} written to ${file}`],
    };
  },
};

export const gpgPublish: CommandDefinition = {
  define(command) {
    command
      .argument("[keys...]", "which keys (all public ones)")
      .option("-d, --directory <dir>", "to a mirror in this directory")
      .option("-m, --mirror-name <name>", "to the mirror of this name")
      .option("--mirror-url <url>", "to the mirror at this URL")
      .option("--update-index", "renew the mirror's index of keys");
    accept(command, ["--rebuild-index"]);
    examples(command, [["stowage gpg publish --update-index -m cache", "what `buildcache keys` then finds"]]);
  },
  async run({ given, options }) {
    const directory = given.text("directory");
    const places = [
      directory === undefined || /[/:]/.test(directory) ? directory : `./${directory}`,
      given.text("mirrorName"),
      given.text("mirrorUrl"),
    ].flatMap((place) => place ?? []);
    const [mirror] = places;
    if (mirror === undefined || places.length > 1)
      throw new Failure("usage", "name one place to publish to", {
        code: "cli.usage",
        hint: "Give one of --directory, --mirror-name and --mirror-url.",
      });
    const updateIndex = given.flag("updateIndex") ?? given.flag("rebuildIndex");
    const published = await publishGpgKeys(mirror, { ...options, keys: given.rest(0), updateIndex });
    return {
      document: { mirror, keys: published },
      lines: () => [`${plural(published.length, "key")} published to ${mirror}`],
    };
  },
};

export const gpgVerify: CommandDefinition = {
  define(command) {
    command
      .argument("<file>", "a clearsigned document: .spec.json.sig, .spec.manifest.json")
      .option("--keyring <file>", "trust the keys in this file instead of Spack's keyring");
    examples(command, [["stowage gpg verify --keyring key.pub zlib.spec.json.sig", "says who signed it"]]);
  },
  async run({ given, options }) {
    const signers = await verifyDocument(given.argument(0), { ...options, keyring: given.text("keyring") });
    return {
      document: { signers },
      lines: () =>
        signers.map(
          ({ fingerprint, userId, signedAt }) =>
            `good signature by ${nameOf({ fingerprint, userIds: userId === undefined ? [] : [userId] })} of ${signedAt.toISOString()}`,
        ),
    };
  },
};

export const gpgSign: CommandDefinition = {
  define(command) {
    command
      .argument("<file>", "a text")
      .option("--output <file>", "where to write it (FILE.sig)")
      .option("--key <key>", "the key to sign with (the only secret one)");
    accept(command, ["--clearsign"]);
    examples(command, [["stowage gpg sign --output a.json.sig a.json", "a clearsigned document"]]);
  },
  async run({ given, options }) {
    const [key, output] = [given.text("key"), given.text("output")];
    const signed = await signDocument(given.argument(0), { ...options, key, output });
    return { document: signed, lines: () => [`${signed.output}, signed by ${signed.fingerprint}`] };
  },
};

export const buildcacheKeys: CommandDefinition = {
  define(command) {
    command
      .argument("[mirrors...]", "names or URLs (all mirrors of signed packages)")
      .option("-i, --install", "take keys into the keyring, with --trust")
      .option("-t, --trust", "trust them, with --install")
      .option(yes, "without asking about each key");
    accept(command, ["-f, --force"]);
    examples(command, [
      ["stowage buildcache keys", "which keys the mirrors publish"],
      ["stowage buildcache keys --install --trust cache", "asks about each that is not trusted yet"],
    ]);
  },
  async run({ given, options, terminal }) {
    const trusts = given.flag("install") === true && given.flag("trust") === true;
    const keys = await mirrorKeys(given.rest(0), {
      ...options,
      confirm: trusts ? confirmBy(given) : undefined,
    });
    if (keys.length === 0) terminal.err("no keys are published\n");
    if (!trusts && keys.some(({ trusted }) => !trusted))
      terminal.err("--install --trust takes those into the keyring that are not trusted\n");
    return {
      document: { keys },
      lines: (paint) =>
        keys.map((key) =>
          [
            key.trusted ? paint("green", "trusted") : paint("yellow", "unknown"),
            nameOf(key),
            `in ${key.mirror}`,
          ].join("  "),
        ),
    };
  },
};
