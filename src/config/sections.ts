import type { ConfigNode } from "./node.js";
import { any, checkShape, either, flag, listOf, type Shape, text } from "./shape.js";

const textOrEmpty = either(text, { type: "null" });

/** `access_pair: [id, secret]` and `access_token` are Spack's forms before 1.0: read, never written. */
const connectionKeys: Readonly<Record<string, Shape>> = {
  url: text,
  view: text,
  access_pair: either(
    {
      type: "map",
      what: "access_pair",
      keys: { id: text, id_variable: text, secret_variable: text },
      needs: [{ oneOf: ["secret_variable"] }, { oneOf: ["id", "id_variable"], exactly: true }],
    },
    { type: "list", of: textOrEmpty, length: 2 },
  ),
  access_token_variable: textOrEmpty,
  access_token: textOrEmpty,
  profile: textOrEmpty,
  endpoint_url: textOrEmpty,
  include_binary: listOf(text),
  exclude_binary: listOf(text),
};

const direction = either(text, { type: "map", what: "a connection", keys: connectionKeys });

const mirrors: Shape = {
  type: "map",
  what: "mirrors",
  rest: either(text, {
    type: "map",
    what: "a mirror",
    keys: {
      ...connectionKeys,
      fetch: direction,
      push: direction,
      source: flag,
      binary: flag,
      signed: flag,
      autopush: flag,
    },
    needs: [{ oneOf: ["url", "fetch", "push"] }],
  }),
};

const textMap: Shape = { type: "map", what: "a mapping of texts", rest: text };

/** The keys that matter here; Spack's others pass. */
const config: Shape = {
  type: "map",
  what: "config",
  keys: {
    install_tree: either(text, {
      type: "map",
      what: "install_tree",
      keys: {
        root: text,
        padded_length: either({ type: "integer", least: 0 }, flag),
        projections: textMap,
      },
      rest: any,
    }),
    source_cache: text,
    misc_cache: text,
    environments_root: text,
    connect_timeout: { type: "integer", least: 0 },
    verify_ssl: flag,
    ssl_certs: text,
    binary_index_ttl: { type: "integer", least: 0 },
    locks: flag,
    db_lock_timeout: { type: "integer", least: 1 },
    package_lock_timeout: either({ type: "integer", least: 1 }, { type: "null" }),
  },
  rest: any,
};

const include: Shape = listOf(
  either(text, {
    type: "map",
    what: "an include",
    keys: {
      path: text,
      paths: listOf(text),
      git: text,
      branch: text,
      commit: text,
      tag: text,
      sha256: text,
      name: text,
      when: text,
      optional: flag,
      prefer_modify: flag,
      path_override_env_var: text,
    },
    needs: [{ oneOf: ["path", "git"], exactly: true }],
  }),
);

const modules: Shape = {
  type: "map",
  what: "modules",
  keys: { prefix_inspections: { type: "map", what: "prefix_inspections", rest: listOf(text) } },
  rest: any,
};

const permission: Shape = { type: "choice", of: ["user", "group", "world"] };
const packages: Shape = {
  type: "map",
  what: "packages",
  rest: {
    type: "map",
    what: "a package",
    keys: {
      permissions: {
        type: "map",
        what: "permissions",
        keys: { read: permission, write: permission, group: text },
      },
    },
    rest: any,
  },
};

const trustRule: Shape = {
  type: "map",
  what: "a trust policy",
  keys: {
    keys: listOf(text),
    identities: listOf({
      type: "map",
      what: "an identity",
      keys: { issuer: text, "issuer-regexp": text, subject: text, "subject-regexp": text },
      needs: [
        { oneOf: ["issuer", "issuer-regexp"], exactly: true },
        { oneOf: ["subject", "subject-regexp"], exactly: true },
      ],
    }),
    keyring: text,
    required: { type: "integer", least: 1 },
    "max-age": text,
    "signed-as": listOf(text),
    "trusted-root": text,
  },
  needs: [{ oneOf: ["keys", "identities", "keyring"] }],
};

/** `trust.yaml` is ours: Spack's schema of mirrors has no place for whom to trust. */
const trust: Shape = {
  type: "map",
  what: "trust",
  keys: {
    mirrors: { type: "map", what: "policies of mirrors", rest: trustRule },
    images: {
      type: "map",
      what: "policies of images",
      rest: either(trustRule, { type: "choice", of: ["accept", "reject"] }),
    },
  },
};

/** Spack's sections, and `trust`; those that stowage reads have a shape. */
export const sections: Readonly<Record<string, Shape>> = {
  bootstrap: any,
  cdash: any,
  ci: any,
  compilers: any,
  concretizer: any,
  config,
  container: any,
  definitions: any,
  develop: any,
  env_vars: any,
  include,
  mirrors,
  modules,
  packages,
  repos: any,
  toolchains: any,
  trust,
  upstreams: any,
  view: any,
};

/** What an environment's `spack:` may hold besides sections. */
const environmentKeys: Readonly<Record<string, Shape>> = {
  specs: any,
  include_concrete: any,
};

/** @throws Failure `config.*`, pointing to the line */
export function checkSectionFile(node: ConfigNode, section: string): void {
  checkShape(
    node,
    { type: "map", what: `${section}.yaml`, keys: { [section]: sections[section] ?? any } },
    [],
  );
}

/** A file that holds any sections: one that was included. */
export function checkScopeFile(node: ConfigNode): void {
  checkShape(node, { type: "map", what: "a configuration file", keys: sections }, []);
}

/** `spack.yaml`. */
export function checkEnvironmentFile(node: ConfigNode): void {
  checkShape(
    node,
    {
      type: "map",
      what: "spack.yaml",
      keys: { spack: { type: "map", what: "an environment", keys: { ...sections, ...environmentKeys } } },
      needs: [{ oneOf: ["spack"] }],
    },
    [],
  );
}
