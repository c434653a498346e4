/**
 * A URL as it may be shown: without user, password, and query values (tokens and signatures travel there).
 * Text that is no URL, or holds nothing to hide, comes back as it is.
 */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === "" && url.password === "" && url.search === "") return text;
  url.username = "";
  url.password = "";
  for (const name of [...new Set(url.searchParams.keys())]) url.searchParams.set(name, "***");
  return url.href;
}
