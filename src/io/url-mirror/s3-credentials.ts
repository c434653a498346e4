import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../base/failure.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/** Who S3 is asked as. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3Settings {
  /** undefined: anonymous. */
  readonly credentials: S3Credentials | undefined;
  readonly region: string;
  /** Of another provider than AWS. */
  readonly endpoint: string | undefined;
}

export interface S3Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** What the mirror says itself; before all else. */
  readonly given?: S3Credentials | undefined;
  /** The mirror's profile. */
  readonly profile?: string | undefined;
  /** The mirror's endpoint, with or without a scheme. */
  readonly endpoint?: string | undefined;
}

type Section = Readonly<Record<string, string>>;

/**
 * Credentials, region and endpoint as AWS's own tools find them: what the mirror says, its profile, `AWS_*` variables,
 * `~/.aws/credentials` and `~/.aws/config`.
 * @throws Failure `s3.profile-missing`, `s3.profile-unsupported`
 */
export async function findS3Settings(surroundings: S3Surroundings): Promise<S3Settings> {
  const { env, given } = surroundings;
  const named = surroundings.profile ?? env["AWS_PROFILE"];
  const profile = await readProfile(named ?? "default", surroundings);
  if (profile === undefined && named !== undefined)
    throw new Failure("usage", `there is no AWS profile ${named}`, {
      code: "s3.profile-missing",
      subject: named,
      hint: "`aws configure list-profiles` shows those there are; they are in ~/.aws/credentials and ~/.aws/config.",
    });
  const endpoint =
    surroundings.endpoint ??
    env["S3_ENDPOINT_URL"] ??
    env["AWS_ENDPOINT_URL_S3"] ??
    env["AWS_ENDPOINT_URL"] ??
    profile?.["endpoint_url"];
  return {
    credentials:
      given ??
      (surroundings.profile === undefined ? inVariables(env) : undefined) ??
      (profile === undefined ? undefined : inProfile(profile, named ?? "default")),
    region: env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? profile?.["region"] ?? "us-east-1",
    // Spack takes an endpoint without a scheme for one of https.
    endpoint: endpoint === undefined || /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`,
  };
}

function inVariables(env: S3Surroundings["env"]): S3Credentials | undefined {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"];
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: env["AWS_SESSION_TOKEN"] || undefined };
}

function inProfile(profile: Section, name: string): S3Credentials | undefined {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = profile;
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { accessKeyId, secretAccessKey, sessionToken: profile["aws_session_token"] };
  const how = ["role_arn", "sso_session", "sso_start_url", "credential_process"].find(
    (key) => key in profile,
  );
  if (how === undefined) return undefined;
  throw new Failure("unsupported", `the AWS profile ${name} gets its credentials by ${how}`, {
    code: "s3.profile-unsupported",
    subject: name,
    hint: `Run \`eval "$(aws configure export-credentials --profile ${name} --format env)"\` first.`,
  });
}

/** The section of a profile in both files; credentials win. */
async function readProfile(name: string, { env, home }: S3Surroundings): Promise<Section | undefined> {
  const config = await readIni(env["AWS_CONFIG_FILE"] ?? join(home, ".aws/config"));
  const credentials = await readIni(env["AWS_SHARED_CREDENTIALS_FILE"] ?? join(home, ".aws/credentials"));
  const configured = config.get(name === "default" ? name : `profile ${name}`);
  const secret = credentials.get(name);
  return configured === undefined && secret === undefined ? undefined : { ...configured, ...secret };
}

async function readIni(path: string): Promise<ReadonlyMap<string, Section>> {
  const sections = new Map<string, Record<string, string>>();
  let section: Record<string, string> = {};
  for (const line of (await textOf(path)).split("\n")) {
    const name = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (name !== undefined) {
      section = sections.get(name) ?? {};
      sections.set(name, section);
    }
    // Settings below others (`s3 =` and what is indented under it) are none of the profile's own.
    const [, key, value] = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section[key] = value;
  }
  return sections;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) return "";
    throw diskFailure(error, { doing: "read", path, elsewhere: "with AWS_* variables" });
  }
}
