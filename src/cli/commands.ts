import type { CommandEntry } from "./command.js";

/** Groups of commands: `stowage mirror add`. */
export const groups: Readonly<Record<string, string>> = {
  mirror: "manage mirrors",
  store: "check and mend an install tree",
  buildcache: "put packages into build caches, list them, take them out",
  gpg: "sign, and say whose signatures are good, as Spack's keyring has it",
  auth: "look into logins",
  key: "make and show keys that sign",
  signature: "look into signatures",
  view: "make one directory of many packages",
  config: "show the configuration",
  version: "compare versions as Spack does",
};

/** Spack's options that stand between a group and its command, and change nothing here. */
export const acceptedByGroup: Readonly<Record<string, readonly string[]>> = { mirror: ["-n, --no-checksum"] };

export const commands: readonly CommandEntry[] = [
  {
    path: ["install"],
    summary: "install packages from build caches, with what they need",
    load: async () => (await import("./commands/install.js")).installCommand,
  },
  {
    path: ["find"],
    summary: "list what is installed",
    load: async () => (await import("./commands/find.js")).findCommand,
  },
  {
    path: ["verify"],
    summary: "compare installed files with what was installed",
    load: async () => (await import("./commands/verify.js")).verifyCommand,
  },
  {
    path: ["uninstall"],
    summary: "remove installed packages, unless others need them",
    load: async () => (await import("./commands/uninstall.js")).uninstallCommand,
  },
  {
    path: ["gc"],
    summary: "remove what no package that was asked for needs",
    load: async () => (await import("./commands/uninstall.js")).gcCommand,
  },
  {
    path: ["location"],
    summary: "print where a package is installed",
    load: async () => (await import("./commands/location.js")).locationCommand,
  },
  {
    path: ["load"],
    summary: "print the shell's commands that put packages on its paths",
    load: async () => (await import("./commands/load.js")).loadCommand,
  },
  {
    path: ["tree"],
    summary: "show what a package depends on",
    load: async () => (await import("./commands/graph-queries.js")).treeCommand,
  },
  {
    path: ["diff"],
    summary: "compare two packages with all that they depend on",
    load: async () => (await import("./commands/graph-queries.js")).diffCommand,
  },
  {
    path: ["why"],
    summary: "tell what needs a package, or why none matches",
    load: async () => (await import("./commands/graph-queries.js")).whyCommand,
  },
  {
    path: ["view", "symlink"],
    aliases: ["add", "soft"],
    summary: "put packages into a directory as symbolic links",
    load: async () => (await import("./commands/view.js")).viewSymlink,
  },
  {
    path: ["view", "hardlink"],
    aliases: ["hard"],
    summary: "put packages into a directory as hard links",
    load: async () => (await import("./commands/view.js")).viewHardlink,
  },
  {
    path: ["view", "copy"],
    aliases: ["relocate"],
    summary: "put packages into a directory as copies that name it",
    load: async () => (await import("./commands/view.js")).viewCopy,
  },
  {
    path: ["view", "remove"],
    aliases: ["rm"],
    summary: "take packages out of a directory",
    load: async () => (await import("./commands/view.js")).viewRemoveCommand,
  },
  {
    path: ["view", "statlink"],
    aliases: ["status", "check"],
    summary: "list the packages of a directory",
    load: async () => (await import("./commands/view.js")).viewStatusCommand,
  },
  {
    path: ["store", "check"],
    summary: "compare a store's database with its disk, and mend it",
    load: async () => (await import("./commands/store-check.js")).storeCheckCommand,
  },
  {
    path: ["buildcache", "push"],
    aliases: ["create"],
    summary: "push installed packages, with what they need, to a mirror",
    load: async () => (await import("./commands/buildcache-push.js")).buildcachePush,
  },
  {
    path: ["buildcache", "install"],
    summary: "install packages from build caches, as `install` does",
    load: async () => (await import("./commands/buildcache-install.js")).buildcacheInstall,
  },
  {
    path: ["buildcache", "autopush"],
    summary: "push installed packages to the mirrors that have autopush set",
    load: async () => (await import("./commands/buildcache-autopush.js")).buildcacheAutopush,
  },
  {
    path: ["buildcache", "update-index"],
    aliases: ["rebuild-index"],
    summary: "make the index of a mirror say what is in it",
    load: async () => (await import("./commands/buildcache-update-index.js")).buildcacheUpdateIndex,
  },
  {
    path: ["buildcache", "check"],
    summary: "tell what of an environment mirrors lack",
    load: async () => (await import("./commands/buildcache-check.js")).buildcacheCheck,
  },
  {
    path: ["buildcache", "migrate"],
    summary: "write what a mirror has from Spack before 1.0 as Spack 1.x reads it",
    load: async () => (await import("./commands/buildcache-migrate.js")).buildcacheMigrate,
  },
  {
    path: ["buildcache", "check-index"],
    summary: "tell whether the index of a mirror says what is there",
    load: async () => (await import("./commands/buildcache-check-index.js")).buildcacheCheckIndex,
  },
  {
    path: ["buildcache", "download"],
    summary: "write the spec and the tarball of a package to files",
    load: async () => (await import("./commands/buildcache-download.js")).buildcacheDownload,
  },
  {
    path: ["buildcache", "save-specfile"],
    summary: "write the specs of what a package depends on to files",
    load: async () => (await import("./commands/buildcache-download.js")).buildcacheSaveSpecfile,
  },
  {
    path: ["buildcache", "sync"],
    aliases: ["copy"],
    summary: "copy packages from one mirror to another, of any kinds",
    load: async () => (await import("./commands/buildcache-sync.js")).buildcacheSync,
  },
  {
    path: ["buildcache", "list"],
    summary: "list the packages in mirrors",
    load: async () => (await import("./commands/buildcache-list.js")).buildcacheList,
  },
  {
    path: ["buildcache", "prune"],
    summary: "take packages out of a mirror that nothing needs any more",
    load: async () => (await import("./commands/buildcache-prune.js")).buildcachePrune,
  },
  {
    path: ["buildcache", "keys"],
    summary: "list the keys that mirrors publish, and trust them",
    load: async () => (await import("./commands/gpg.js")).buildcacheKeys,
  },
  {
    path: ["gpg", "trust"],
    summary: "trust the keys in a file",
    load: async () => (await import("./commands/gpg.js")).gpgTrust,
  },
  {
    path: ["gpg", "untrust"],
    summary: "take keys out of the keyring",
    load: async () => (await import("./commands/gpg.js")).gpgUntrust,
  },
  {
    path: ["gpg", "list"],
    summary: "list the keys of the keyring",
    load: async () => (await import("./commands/gpg.js")).gpgList,
  },
  {
    path: ["gpg", "create"],
    summary: "make a key to sign with",
    load: async () => (await import("./commands/gpg.js")).gpgCreate,
  },
  {
    path: ["gpg", "init"],
    summary: "trust the keys that come with Spack",
    load: async () => (await import("./commands/gpg.js")).gpgInit,
  },
  {
    path: ["gpg", "export"],
    summary: "write keys to a file",
    load: async () => (await import("./commands/gpg.js")).gpgExport,
  },
  {
    path: ["gpg", "publish"],
    summary: "publish public keys in a mirror",
    load: async () => (await import("./commands/gpg.js")).gpgPublish,
  },
  {
    path: ["gpg", "verify"],
    summary: "say whose signatures a document carries",
    load: async () => (await import("./commands/gpg.js")).gpgVerify,
  },
  {
    path: ["gpg", "sign"],
    summary: "clearsign a file",
    load: async () => (await import("./commands/gpg.js")).gpgSign,
  },
  {
    path: ["image"],
    summary: "make one image of packages that a mirror has",
    load: async () => (await import("./commands/image.js")).imageCommand,
  },
  {
    path: ["sign"],
    summary: "sign what a mirror has",
    load: async () => (await import("./commands/sign.js")).signCommand,
  },
  {
    path: ["signature", "verify"],
    summary: "tell who signed an image, or what a mirror has",
    load: async () => (await import("./commands/signature-verify.js")).signatureVerify,
  },
  {
    path: ["sbom"],
    summary: "print the bill of materials of a package or an image",
    load: async () => (await import("./commands/sbom.js")).sbomCommand,
  },
  {
    path: ["sbom", "attach"],
    summary: "attach bills of materials to packages that a mirror has",
    load: async () => (await import("./commands/sbom.js")).sbomAttach,
  },
  {
    path: ["attest"],
    summary: "sign how packages were built, or anything else about them",
    load: async () => (await import("./commands/attest.js")).attestCommand,
  },
  {
    path: ["attest", "verify"],
    summary: "verify what is said about an image, and print it",
    load: async () => (await import("./commands/attest.js")).attestVerify,
  },
  {
    path: ["referrers"],
    summary: "show what refers to an image: signatures, attestations, bills of materials",
    load: async () => (await import("./commands/referrers.js")).referrersCommand,
  },
  {
    path: ["key", "generate"],
    summary: "make a key pair as cosign does",
    load: async () => (await import("./commands/key.js")).keyGenerate,
  },
  {
    path: ["key", "public"],
    summary: "print the public half of a key",
    load: async () => (await import("./commands/key.js")).keyPublic,
  },
  {
    path: ["key", "list"],
    summary: "list the keys and identities that are trusted",
    load: async () => (await import("./commands/key.js")).keyList,
  },
  {
    path: ["mirror", "add"],
    summary: "add a mirror to the configuration",
    load: async () => (await import("./commands/mirror-add.js")).mirrorAdd,
  },
  {
    path: ["mirror", "remove"],
    aliases: ["rm"],
    summary: "remove a mirror from the configuration",
    load: async () => (await import("./commands/mirror-remove.js")).mirrorRemove,
  },
  {
    path: ["mirror", "set"],
    summary: "change how a mirror is reached and used",
    load: async () => (await import("./commands/mirror-set.js")).mirrorSet,
  },
  {
    path: ["mirror", "set-url"],
    summary: "change the URL of a mirror",
    load: async () => (await import("./commands/mirror-set.js")).mirrorSetUrl,
  },
  {
    path: ["mirror", "list"],
    aliases: ["ls"],
    summary: "list the configured mirrors in search order",
    load: async () => (await import("./commands/mirror-list.js")).mirrorList,
  },
  {
    path: ["mirror", "create"],
    summary: "make a mirror of sources: left to Spack",
    hidden: true,
    load: async () => (await import("./commands/refused.js")).mirrorCreate,
  },
  {
    path: ["mirror", "destroy"],
    summary: "delete all of a mirror: left to where it is kept",
    hidden: true,
    load: async () => (await import("./commands/refused.js")).mirrorDestroy,
  },
  {
    path: ["login"],
    summary: "log in to a registry",
    load: async () => (await import("./commands/login.js")).loginCommand,
  },
  {
    path: ["logout"],
    summary: "forget the login for a registry",
    load: async () => (await import("./commands/login.js")).logoutCommand,
  },
  {
    path: ["auth", "check"],
    summary: "say which login is used for a registry, and what it may do",
    load: async () => (await import("./commands/auth.js")).authCheckCommand,
  },
  {
    path: ["config", "get"],
    summary: "print a section of the configuration, all scopes merged",
    load: async () => (await import("./commands/config.js")).configGet,
  },
  {
    path: ["config", "blame"],
    summary: "print a section with the file and line that each value comes from",
    load: async () => (await import("./commands/config.js")).configBlame,
  },
  {
    path: ["version", "compare"],
    summary: "tell which of two versions is newer",
    load: async () => (await import("./commands/version.js")).versionCompare,
  },
  {
    path: ["version", "satisfies"],
    summary: "tell whether versions satisfy a constraint",
    load: async () => (await import("./commands/version.js")).versionSatisfies,
  },
  {
    path: ["version", "resolve"],
    summary: "give a git ref its version",
    load: async () => (await import("./commands/version.js")).versionResolve,
  },
  {
    path: ["serve"],
    summary: "serve a registry of one's own",
    load: async () => (await import("./commands/serve.js")).serveCommand,
  },
  {
    path: ["completion"],
    summary: "print a script that completes commands, options and mirrors in a shell",
    load: async () => (await import("./commands/completion.js")).completion,
  },
];
