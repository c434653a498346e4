import { isObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { parseJson } from "../oci/json.js";
import { openConnection } from "./connection.js";
import type { Context } from "./context.js";

/** Whom the token is for: Fulcio takes no other. */
const audience = "sigstore";

/**
 * How to get the token that says who this job is: GitLab gives it as a variable, GitHub on request. undefined where
 * there is none to be had.
 */
export function jobToken(context: Context): (() => Promise<string>) | undefined {
  const { env } = context;
  const given = env["SIGSTORE_ID_TOKEN"];
  if (given !== undefined && given !== "") return async () => given;
  const url = env["ACTIONS_ID_TOKEN_REQUEST_URL"];
  const bearer = env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
  if (!url || !bearer) return undefined;
  return () => askGitHub(new URL(url), { bearer, context });
}

async function askGitHub(
  url: URL,
  { bearer, context }: { readonly bearer: string; readonly context: Context },
): Promise<string> {
  url.searchParams.set("audience", audience);
  await using client = openConnection(context);
  const answer = await client.send(
    { method: "GET", url, headers: { authorization: `bearer ${bearer}` }, follow: false },
    context,
  );
  const json = answer.status === 200 ? parseJson(answer.bytes, url.host) : undefined;
  const token = isObject(json) ? json["value"] : undefined;
  if (typeof token === "string" && token !== "") return token;
  throw new Failure(
    "denied",
    `${url.host} gave no token that says who this job is (status ${answer.status})`,
    {
      code: "sign.token-refused",
      subject: url.host,
      hint: "The job needs `permissions: {id-token: write}`.",
    },
  );
}
