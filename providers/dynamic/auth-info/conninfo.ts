/** The text of a row of pg_dist_authinfo: `keyword='value'` as libpq reads it, with the three keywords that Citus accepts there. Pure.
 *  Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING */

/** What Citus accepts. */
export const authInfoKeywords = ["password", "sslcert", "sslkey"] as const;

/** Values by keyword; those that are absent are not in the text. */
export type AuthInfoValues = Readonly<Partial<Record<(typeof authInfoKeywords)[number], string>>>;

/** The text for the values, always in the same order, every value quoted. */
export function authInfoText(values: AuthInfoValues): string {
  return authInfoKeywords
    .flatMap((keyword) => {
      const value = values[keyword];
      return value === undefined ? [] : [`${keyword}='${value.replaceAll(/[\\']/g, "\\$&")}'`];
    })
    .join(" ");
}

// One pair: blanks around "=", a value in quotes or without any; a backslash takes the next character as it is.
const pair = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\[^])*)'|((?:[^\s\\']|\\[^])(?:[^\s\\]|\\[^])*|))(?=\s|$)/y;

/** The values of a text that somebody wrote, each as libpq reads it; undefined where it is no such text. The last of several wins. */
export function authInfoValues(text: string): Readonly<Record<string, string>> | undefined {
  const values = new Map<string, string>();
  pair.lastIndex = 0;
  while (text.slice(pair.lastIndex).trim() !== "") {
    const [, keyword = "", quoted, bare = ""] = pair.exec(text) ?? [];
    if (keyword === "") return undefined;
    values.set(keyword, (quoted ?? bare).replaceAll(/\\([^])/g, "$1"));
  }
  return Object.fromEntries(values);
}

const longestValueBytes = 4_096;

/** Why the value is refused, or undefined. Never shows it. */
export function valueProblem(value: string): string | undefined {
  if (value.trim() === "") return "must not be empty or blanks only";
  if (/\p{Surrogate}/u.test(value)) return "holds half of a Unicode character (a lone surrogate)";
  if (/[\0\r\n]/.test(value)) return "must not hold line breaks or NUL";
  const bytes = Buffer.byteLength(value);
  return bytes > longestValueBytes ? `has ${bytes} bytes, more than ${longestValueBytes}` : undefined;
}

/** The same for a password. */
export function passwordProblem(password: string): string | undefined {
  if (/^(md5[\da-f]{32}|SCRAM-SHA-256\$.*)$/.test(password))
    return "looks like a hash, with which nobody can log in; give the password itself";
  return valueProblem(password);
}
