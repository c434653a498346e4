import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchDirectory } from "../../../test/support/fixtures.js";
import { findS3Settings } from "./s3-credentials.js";

const files = {
  credentials: `
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key = one

[build]
aws_access_key_id=BUILD
aws_secret_access_key=two=2
aws_session_token = token
`,
  config: `
[default]
region = eu-west-1
[profile build]
region=eu-central-1
endpoint_url = http://minio:9000
s3 =
  addressing_style = path
[profile role]
role_arn = arn:aws:iam::1:role/x
`,
};

function home(): Disposable & { readonly path: string } {
  const scratch = scratchDirectory();
  mkdirSync(join(scratch.path, ".aws"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(scratch.path, ".aws", name), text);
  return scratch;
}

const variables = { AWS_ACCESS_KEY_ID: "VARIABLE", AWS_SECRET_ACCESS_KEY: "three" };
const given = { accessKeyId: "MIRROR", secretAccessKey: "four" };

test.each([
  ["the default profile", {}, { id: "DEFAULT", region: "eu-west-1", endpoint: undefined }],
  ["variables before it", { env: variables }, { id: "VARIABLE", region: "eu-west-1", endpoint: undefined }],
  [
    "the mirror's profile before variables",
    { env: variables, profile: "build" },
    { id: "BUILD", region: "eu-central-1", endpoint: "http://minio:9000" },
  ],
  [
    "the mirror's own pair before all",
    { env: { ...variables, AWS_REGION: "us-west-2" }, given, endpoint: "s3.example.org" },
    { id: "MIRROR", region: "us-west-2", endpoint: "https://s3.example.org" },
  ],
  [
    "a profile named by a variable",
    { env: { AWS_PROFILE: "build" } },
    { id: "BUILD", region: "eu-central-1", endpoint: "http://minio:9000" },
  ],
])("credentials come from %s", async (_, surroundings, { id, region, endpoint }) => {
  using scratch = home();
  const found = await findS3Settings({ env: {}, home: scratch.path, ...surroundings });
  expect(found).toMatchObject({ credentials: { accessKeyId: id }, region, endpoint });
});

test("without any credentials S3 is asked as nobody", async () => {
  using scratch = scratchDirectory();
  expect(await findS3Settings({ env: {}, home: scratch.path })).toEqual({
    credentials: undefined,
    region: "us-east-1",
    endpoint: undefined,
  });
});

test.each([
  ["nowhere", "s3.profile-missing"],
  ["role", "s3.profile-unsupported"],
])("the profile %s is refused, saying why", async (profile, code) => {
  using scratch = home();
  await expect(findS3Settings({ env: {}, home: scratch.path, profile })).rejects.toMatchObject({ code });
});
