import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { indexTag } from "../buildcache/tag.js";
import { readSection } from "../config/configuration.js";
import { isRegistryUrl, type Mirror } from "../config/mirror.js";
import { imageRule, mirrorRule, type TrustRule } from "../config/trust.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import { systemClock } from "../io/system/clock.js";
import { openIndexMemory, openVerifiedMemory } from "../io/trust/memory.js";
import { parseImageReference } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { decideByContainersPolicy } from "../trust/containers-policy.js";
import type { CertificateChecker } from "../trust/endorsement.js";
import { type PublicKey, parsePublicKey } from "../trust/key.js";
import type { TrustPolicy } from "../trust/policy.js";
import { domainOf, type IndexMemory, policyVerifier } from "../trust/policy-verifier.js";
import { type TrustingOptions, trustingRepository } from "../trust/trusting-repository.js";
import { openCertificateChecker } from "./certificates.js";
import type { Context } from "./context.js";

/** A policy, and what certificates are checked with. */
export interface Trusted {
  readonly policy: TrustPolicy;
  readonly certificates: CertificateChecker | undefined;
}

/** Whom this machine trusts, and for what. */
export interface Trust {
  readonly indexMemory: IndexMemory;
  /** What `trust.yaml` says of a mirror, else `policy.json`; undefined where neither says anything. */
  mirrorPolicy(mirror: Mirror): Promise<Trusted | undefined>;
  /**
   * What is asked of an image of another repository.
   * @throws Failure `trust.rejected`
   */
  imagePolicy(repository: Repository): Promise<Trusted | undefined>;
  /** A mirror's repository, out of which nothing comes that does not verify, where the mirror is signed. */
  guardMirror(
    mirror: Mirror,
    repository: Repository,
    options?: Pick<TrustingOptions, "own">,
  ): Promise<Repository>;
  guardImage(repository: Repository): Promise<Repository>;
  /**
   * File with the OpenPGP keys of those who sign a mirror of files; undefined: those of Spack's keyring.
   * @throws Failure `trust.policy-unsupported`
   */
  keyringOf(mirror: Mirror): Promise<string | undefined>;
}

export function openTrust(context: Context): Trust {
  const { configuration, variables, report, cacheRoot } = context;
  const root = join(cacheRoot, "trust");
  const verified = openVerifiedMemory(root, { report });
  const indexMemory = openIndexMemory(root, { report });
  const section = () => readSection(configuration, "trust");

  const guard = (
    repository: Repository,
    { policy, certificates }: Trusted,
    { isMirror, own }: { readonly isMirror: boolean; readonly own?: boolean | undefined },
  ): Repository =>
    trustingRepository(
      repository,
      policyVerifier({
        policy,
        certificates,
        clock: systemClock,
        verified,
        ordered: isMirror ? { tag: indexTag, memory: indexMemory } : undefined,
      }),
      { accompanied: isMirror, own },
    );

  async function mirrorPolicy(mirror: Mirror): Promise<Trusted | undefined> {
    const rule = mirrorRule(await section(), mirror.name, variables);
    if (rule !== undefined) return trustedBy(rule, context);
    const url = (mirror.fetch ?? mirror.push)?.url ?? "";
    if (!isRegistryUrl(url)) return undefined;
    const { domain, name } = parseImageReference(url.replace(/^oci(\+http)?:\/\//, ""));
    return imagePolicyOf(`${domain}/${name}`, { refuse: false });
  }

  async function imagePolicyOf(
    image: string,
    { refuse, local = false }: { refuse: boolean; local?: boolean },
  ): Promise<Trusted | undefined> {
    const rule = imageRule(await section(), image, variables);
    if (rule !== undefined && typeof rule === "object") return trustedBy(rule, context);
    if (rule === "accept") return undefined;
    const file = rule === "reject" || local ? undefined : await containersPolicy(context);
    const decision =
      file === undefined
        ? { type: rule ?? "accept" }
        : decideByContainersPolicy(file.bytes, { image, subject: file.path });
    if (decision.type === "reject" && refuse)
      throw new Failure("denied", `${image} is not to be used, says ${file?.path ?? "trust.yaml"}`, {
        code: "trust.rejected",
        subject: image,
        hint: "Say below trust:images, in trust.yaml, whom to trust for it, or `accept`.",
      });
    if (!("by" in decision)) return undefined;
    return containersPolicyOf(decision.by, file?.path ?? "");
  }

  /** A layout on disk is podman's own business: policy.json has other words for it. */
  const imagePolicy = (repository: Repository): Promise<Trusted | undefined> =>
    imagePolicyOf(nameOf(repository), { refuse: true, local: domainOf(repository) === undefined });

  return {
    indexMemory,
    mirrorPolicy,
    imagePolicy,
    async guardMirror(mirror, repository, { own } = {}) {
      const trusted = await mirrorPolicy(mirror);
      if (trusted !== undefined) return guard(repository, trusted, { isMirror: true, own });
      throw new Failure("usage", `packages of ${mirror.name} must be signed, and nothing says by whom`, {
        code: "trust.policy-missing",
        subject: mirror.name,
        hint: `Say it in trust.yaml: {trust: {mirrors: {${mirror.name}: {keys: [FILE.pub]}}}}; --no-check-signature goes without.`,
      });
    },
    async keyringOf({ name }) {
      const rule = mirrorRule(await section(), name, variables);
      if (rule === undefined) return undefined;
      const { keyring, keys, identities, required, maxAge, origin } = rule;
      if (
        keyring !== undefined &&
        keys.length + identities.length === 0 &&
        required === 1 &&
        maxAge === undefined
      )
        return keyring;
      throw new Failure("unsupported", `${origin} asks of ${name} what a mirror of files does not have`, {
        code: "trust.policy-unsupported",
        subject: name,
        hint: "Packages in files have one OpenPGP signature each: say `keyring: FILE`, and nothing else.",
      });
    },
    async guardImage(repository) {
      const trusted = await imagePolicy(repository);
      return trusted === undefined ? repository : guard(repository, trusted, { isMirror: false });
    },
  };
}

function nameOf(repository: Repository): string {
  const text = `${domainOf(repository) ?? "localhost"}/${repository.name}`;
  const { domain, name } = parseImageReference(text);
  return `${domain}/${name}`;
}

async function trustedBy(rule: TrustRule, context: Context): Promise<Trusted> {
  const keys: PublicKey[] = [];
  for (const text of rule.keys) keys.push(await readPublicKey(text, context));
  const { origin, required, signedAs, maxAge, identities, trustedRoot } = rule;
  const policy: TrustPolicy = {
    origin,
    authorities: [
      ...keys.map((key) => ({ type: "key" as const, key })),
      ...identities.map((identity) => ({ type: "identity" as const, ...identity })),
    ],
    required,
    signedAs,
    maxAge,
  };
  if (identities.length === 0) return { policy, certificates: undefined };
  return { policy, certificates: await openCertificateChecker(trustedRoot, { origin }) };
}

async function containersPolicyOf(
  by: readonly { keyPaths: readonly string[]; keys: readonly string[]; signedAs: readonly string[] }[],
  origin: string,
): Promise<Trusted> {
  const [first, ...more] = by;
  if (first === undefined || more.length > 0)
    throw new Failure(
      "unsupported",
      `${origin} asks for ${by.length} signatures, each with keys of its own`,
      {
        code: "trust.policy-unsupported",
        subject: origin,
        hint: "Say in trust.yaml, below trust:images, whom to trust for it.",
      },
    );
  const keys = first.keys.map((pem) => parsePublicKey(pem, origin));
  for (const path of first.keyPaths) keys.push(parsePublicKey(await readPem(path), path));
  return {
    policy: {
      origin,
      authorities: keys.map((key) => ({ type: "key", key })),
      required: 1,
      signedAs: first.signedAs,
    },
    certificates: undefined,
  };
}

/** The user's, else the system's, as podman looks for it. */
async function containersPolicy({
  home,
  env,
}: Context): Promise<{ path: string; bytes: Uint8Array } | undefined> {
  const user = env["XDG_CONFIG_HOME"] || join(home, ".config");
  for (const path of [join(user, "containers/policy.json"), "/etc/containers/policy.json"])
    try {
      return { path, bytes: await readFile(path) };
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw diskFailure(error, { doing: "read", path });
    }
  return undefined;
}

/** A public key by what people write: a file, or `env://NAME`. */
export async function readPublicKey(text: string, context: Pick<Context, "env" | "cwd">): Promise<PublicKey> {
  const variable = /^env:\/\/(.+)$/.exec(text)?.[1];
  if (variable === undefined) return parsePublicKey(await readPem(resolve(context.cwd, text)), text);
  return parsePublicKey(keyVariable(variable, context.env), text);
}

export function keyVariable(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new Failure("usage", `the variable ${name} holds no key: it is not set`, {
    code: "key.missing",
    subject: `env://${name}`,
  });
}

export async function readPem(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (systemCodeOf(cause) !== "ENOENT") throw diskFailure(cause, { doing: "read", path });
    throw new Failure("not-found", `there is no key ${path}`, {
      code: "key.missing",
      subject: path,
      hint: "`stowage key generate` makes a pair.",
      cause,
    });
  }
}
