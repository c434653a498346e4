import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { updateIndex } from "../../src/app/buildcache.js";
import { install } from "../../src/app/install.js";
import { generateKey, publicKey } from "../../src/app/key.js";
import { sign } from "../../src/app/sign.js";
import { verifySignatures } from "../../src/app/signature.js";
import { cosignAt } from "../support/cosign.js";
import { missingProgram, run, startDockerRegistry } from "../support/peers.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const password = "correct horse battery staple";

let machine: PushingMachine;
let registry: TestRegistry;
let mirror: string;
const at = (name: string): string => join(machine.path, name);

beforeAll(async () => {
  machine = pushingMachine();
  registry = await startRegistry();
  mirror = `oci+http://${registry.host}/cache`;
  await generateKey({ ...options(), prefix: "good" });
  await generateKey({ ...options(), prefix: "other", type: "ed25519" });
}, 60_000);
afterAll(async () => {
  await registry?.close();
  machine?.[Symbol.dispose]();
});

/** What reads nothing of this machine's own. */
const options = (config?: string) => ({
  home: machine.home,
  cwd: machine.path,
  config,
  env: {
    HOME: machine.home,
    SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(machine.home, "system"),
    COSIGN_PASSWORD: password,
  },
});

/** A scope in which the mirror is signed, and `trust` says by whom. */
function scope(name: string, { url = mirror, trust }: { url?: string; trust: object }): string {
  const folder = at(name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "mirrors.yaml"), JSON.stringify({ mirrors: { s: { url, signed: true } } }));
  writeFileSync(join(folder, "trust.yaml"), JSON.stringify({ trust: { mirrors: { s: trust } } }));
  return folder;
}

describe("a signed mirror", () => {
  test("what was pushed with --sign installs; by another key, or without a policy, nothing does", async () => {
    const trusted = scope("trusted", { trust: { keys: [at("good.pub")] } });
    const pushed = await machine.push("s", {
      ...options(trusted),
      specs: ["greet"],
      key: at("good.key"),
      updateIndex: true,
    });
    expect(pushed.failed).toEqual([]);
    const asked = { ...options(trusted), store: at("store"), hostCompatible: false, mirror: "s" };
    const installed = await install(["greet"], asked);
    expect(installed.failed).toEqual([]);
    expect(installed.unchecked).toEqual([]);
    const other = scope("other", { trust: { keys: [at("other.pub")] } });
    await expect(install(["greet"], { ...asked, ...options(other), dryRun: true })).rejects.toMatchObject({
      code: "trust.key-unknown",
    });
    const nobody = scope("nobody", { trust: { keys: [] } });
    writeFileSync(join(nobody, "trust.yaml"), "trust: {}\n");
    await expect(install(["greet"], { ...asked, ...options(nobody) })).rejects.toMatchObject({
      code: "trust.policy-missing",
    });
    const notes: string[] = [];
    const unchecked = await install(["greet"], {
      ...asked,
      ...options(other),
      checkSignature: false,
      dryRun: true,
      report: (event) => void (event.type === "note" && notes.push(event.message)),
    });
    expect(unchecked.unchecked).toEqual(["s"]);
    expect(notes.join()).toContain("NO SIGNATURE IS CHECKED");
  });

  test("a package that nobody signed is left out of the index, and cannot be installed", async () => {
    const url = `oci+http://${registry.host}/mixed`;
    const trusted = scope("mixed", { url, trust: { keys: [at("good.pub")] } });
    await expect(machine.push("s", { ...options(trusted), specs: ["zlib"] })).rejects.toMatchObject({
      code: "push.unsigned",
    });
    await machine.push("s", { ...options(trusted), specs: ["zlib"], unsigned: true });
    const update = await updateIndex("s", { ...options(trusted), key: at("good.key") });
    expect(update.packages).toBe(0);
    expect(update.broken.map(({ failure }) => failure.code)).toContain("trust.unsigned");
    const asked = { ...options(trusted), store: at("mixed-store"), hostCompatible: false };
    await expect(install(["zlib"], asked)).rejects.toMatchObject({ code: "spec.no-match" });
    const signed = await sign("s", { ...options(trusted), all: true, key: at("good.key") });
    expect(signed.failed).toEqual([]);
    const again = await sign("s", { ...options(trusted), all: true, key: at("good.key") });
    expect(again.signed.map(({ tag }) => tag)).toEqual(["index.spack"]);
    const whole = await updateIndex("s", { ...options(trusted), key: at("good.key") });
    expect(whole.broken).toEqual([]);
    expect(whole.packages).toBeGreaterThan(0);
    const report = await verifySignatures("s", { ...options(trusted), all: true });
    expect(report.checked.map(({ failure }) => failure)).toEqual(report.checked.map(() => undefined));
    const { fingerprint } = await publicKey(at("good.pub"), options());
    expect(fingerprint).toContain(report.checked[0]?.by[0]?.signer ?? "nobody");
  });
});

test("a base image is used only as its policy allows", async () => {
  const base = `oci+http://${registry.host}/base:1`;
  await run("skopeo", [
    "copy",
    "--dest-tls-verify=false",
    `oci:${emptyImage(at("base"))}:1`,
    `docker://${registry.host}/base:1`,
  ]);
  const folder = scope("base-policy", { trust: { keys: [at("good.pub")] } });
  const image = (rule: unknown): void =>
    writeFileSync(
      join(folder, "trust.yaml"),
      JSON.stringify({ trust: { images: { [`${registry.host}/base`]: rule } } }),
    );
  const push = () =>
    machine.push(`oci+http://${registry.host}/runs`, {
      ...options(folder),
      specs: ["zlib"],
      baseImage: base,
      check: false,
    });
  image({ keys: [at("good.pub")] });
  await expect(push()).rejects.toMatchObject({ code: "trust.unsigned" });
  image("reject");
  await expect(push()).rejects.toMatchObject({ code: "trust.rejected" });
  await sign(`oci+http://${registry.host}/base`, { ...options(), tags: ["1"], key: at("good.key") });
  image({ keys: [at("good.pub")] });
  expect((await push()).failed).toEqual([]);
});

for (const version of ["v2.6.5", "v3.1.3"] as const) {
  const cosign = cosignAt(version);
  describe.skipIf(cosign === undefined)(`cosign ${version}`, () => {
    const program = cosign ?? "";
    const env = { COSIGN_PASSWORD: password };
    const verify = (ref: string, key: string, ...more: string[]) =>
      run(
        program,
        ["verify", "--key", key, "--insecure-ignore-tlog", "--allow-http-registry", ...more, ref],
        env,
      );

    for (const format of ["cosign2", "cosign3"] as const)
      test(`verifies what is signed here as ${format}, and signs what is verified here`, async () => {
        const name = `peer-${version.slice(0, 2)}-${format}`;
        const url = `oci+http://${registry.host}/${name}`;
        await machine.push(url, { ...options(), specs: ["zlib"] });
        await sign(url, { ...options(), all: true, key: at("good.key"), signatureFormats: [format] });
        const { checked } = await verifySignatures(url, { ...options(), all: true, keys: [at("good.pub")] });
        const [first] = checked;
        if (first === undefined) throw new Error("nothing was signed");
        const ref = `${registry.host}/${name}@${first.digest}`;
        // Without a root it would ask the network for the public sigstore's.
        const root = at("root.json");
        writeFileSync(root, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
        const isBundle = format === "cosign3";
        const form = [`--new-bundle-format=${isBundle}`, ...(isBundle ? [`--trusted-root=${root}`] : [])];
        await verify(ref, at("good.pub"), ...form);
        await expect(verify(ref, at("other.pub"), ...form)).rejects.toThrow();

        const prefix = `c-${version}-${format}`;
        execFileSync(program, ["generate-key-pair", "--output-key-prefix", prefix], {
          cwd: machine.path,
          env: { ...process.env, ...env },
          stdio: "ignore",
        });
        const config = [
          ...(version === "v3.1.3" ? ["--use-signing-config=false"] : []),
          "--tlog-upload=false",
          "--allow-http-registry",
          "-y",
        ];
        const signing = [
          "sign",
          "--key",
          at(`${prefix}.key`),
          ...config,
          `--new-bundle-format=${isBundle}`,
          ref,
        ];
        await run(program, signing, env);
        const by = async (key: string) =>
          (await verifySignatures(`oci+http://${ref}`, { ...options(), keys: [at(key)] })).checked[0];
        // What it adds stands beside ours.
        for (const key of ["good.pub", `${prefix}.pub`]) {
          const found = await by(key);
          expect(found?.failure).toBeUndefined();
          expect(found?.by.map((one) => one.form)).toEqual([isBundle ? "bundle" : "payload"]);
        }
        const opened = await publicKey(at(`${prefix}.key`), options());
        expect(opened.pem.trim()).toBe(readFileSync(at(`${prefix}.pub`), "utf8").trim());
      }, 120_000);

    test("verifies what keys of other kinds sign here", async () => {
      const types = [
        "ecdsa-p384",
        "ed25519",
        ...(process.env["STOWAGE_SOAK"] ? ["rsa-3072" as const] : []),
      ] as const;
      const name = `kinds-${version.slice(0, 2)}`;
      const url = `oci+http://${registry.host}/${name}`;
      await machine.push(url, { ...options(), specs: ["zlib"] });
      for (const type of types) {
        const prefix = `${type}-${version}`;
        await generateKey({ ...options(), prefix, type });
        const { signed } = await sign(url, { ...options(), all: true, key: at(`${prefix}.key`) });
        const ref = `${registry.host}/${name}@${signed[0]?.digest}`;
        await verify(ref, at(`${prefix}.pub`), "--new-bundle-format=false");
      }
    }, 120_000);
  });
}

describe.skipIf(missingProgram("docker-registry") !== undefined)(
  "a registry without the referrers API",
  () => {
    test("keeps bundles by its tag, from two who sign at once", async () => {
      await using plain = await startDockerRegistry();
      const url = `oci+http://${plain.host}/cache`;
      await machine.push(url, { ...options(), specs: ["zlib"] });
      const signAs = (key: string) =>
        sign(url, { ...options(), all: true, key: at(key), signatureFormats: ["cosign2", "cosign3"] });
      await Promise.all([signAs("good.key"), signAs("other.key")]);
      for (const key of ["good.pub", "other.pub"]) {
        const { checked } = await verifySignatures(url, { ...options(), all: true, keys: [at(key)] });
        for (const { name } of checked) {
          const one = await verifySignatures(`oci+http://${name}`, { ...options(), keys: [at(key)] });
          const forms = one.checked[0]?.by.map(({ form }) => form).sort() ?? [];
          expect([name, ...forms]).toEqual([name, "bundle", "payload"]);
        }
      }
    });
  },
);

test("no private key and no password is anywhere but in its own file", async () => {
  const secret = readFileSync(at("good.key"), "utf8").split("\n")[1] ?? "";
  const places = [Buffer.from(password), Buffer.from(secret)];
  const files = (directory: string): string[] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory()
        ? files(join(directory, entry.name))
        : entry.isFile()
          ? [join(directory, entry.name)]
          : [],
    );
  for (const file of files(machine.home).concat(files(at("store"))))
    for (const needle of places) expect(readFileSync(file).includes(needle), file).toBe(false);
  for (const request of registry.requests)
    expect(JSON.stringify([request.headers, request.path])).not.toContain(password);
  const wrong = sign(mirror, {
    ...options(),
    env: { ...options().env, COSIGN_PASSWORD: "a wrong secret" },
    all: true,
    key: at("good.key"),
  });
  const said = await wrong.then(
    () => "",
    (error: Error) => `${error.message}\n${error.stack}\n${JSON.stringify(error)}`,
  );
  expect(said).toContain("does not open");
  expect(said).not.toContain("a wrong secret");
  expect(said).not.toContain(secret);
  expect(statSync(at("good.key")).mode & 0o777).toBe(0o600);
  await expect(generateKey({ ...options(), prefix: "good" })).rejects.toMatchObject({ code: "key.exists" });
});

/** A layout with one image, tagged 1, of no layers. */
function emptyImage(directory: string): string {
  execFileSync("umoci", ["init", "--layout", directory]);
  execFileSync("umoci", ["new", "--image", `${directory}:1`]);
  return directory;
}
