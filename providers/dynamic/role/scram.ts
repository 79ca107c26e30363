/** A password as PostgreSQL keeps it: a SCRAM-SHA-256 verifier, computed here, so that the clear password reaches no server.
 *  The salt is random and kept by the servers themselves: a password is compared with a verifier by the verifier's own salt and iterations, so
 *  an equal password never makes a new verifier, nothing about it is stored, and no salt can be guessed from a role's name.
 *  Sources: RFC 5802 §3, RFC 7677, RFC 4013; src/common/scram-common.c and saslprep.c of PostgreSQL. */
import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

/** How often PostgreSQL itself hashes a password, and the fewest that are accepted. */
export const defaultIterations = 4_096;
/** node-postgres refuses to log in above it, and each login costs the client as many rounds. */
export const mostIterations = 100_000;

const saltBytes = 16;
const longestPasswordBytes = 4_096;
const derive = promisify(pbkdf2);
const digest = (text: Buffer) => createHash("sha256").update(text).digest();
const sign = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();

interface Verifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: string;
  readonly serverKey: string;
}

/** The parts of a verifier, or undefined where the text is none, such as an md5 hash. */
function parse(verifier: string): Verifier | undefined {
  const [, iterations, salt, storedKey, serverKey] =
    /^SCRAM-SHA-256\$([1-9]\d{0,8}):([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/.exec(verifier) ??
    [];
  if (iterations === undefined || salt === undefined || storedKey === undefined || serverKey === undefined)
    return undefined;
  return { iterations: Number(iterations), salt: Buffer.from(salt, "base64"), storedKey, serverKey };
}

/** How often a verifier hashes, or undefined where the text is no verifier. */
export const iterationsOf = (verifier: string): number | undefined => parse(verifier)?.iterations;

/** The verifier of a password: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`. */
export async function makeVerifier(
  password: string,
  iterations: number = defaultIterations,
  salt: Buffer = randomBytes(saltBytes),
): Promise<string> {
  const salted = await derive(password, salt, iterations, 32, "sha256");
  const storedKey = digest(sign(salted, "Client Key")).toString("base64");
  const serverKey = sign(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${String(iterations)}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** Does this password log in where a server holds this verifier? False for what is no verifier, or one of more than `mostIterations`. */
export async function fits(password: string, verifier: string): Promise<boolean> {
  const parts = parse(verifier);
  // A number from a server must not keep us busy for minutes.
  if (parts === undefined || parts.iterations > mostIterations) return false;
  const own = parse(await makeVerifier(password, parts.iterations, parts.salt));
  return own?.storedKey === parts.storedKey && own.serverKey === parts.serverKey;
}

// RFC 3454 tables B.1 (mapped to nothing) and C.1.2 (spaces), as far as NFKC leaves them as they are. As numbers: they are invisible.
const changedBySaslprep = /[\u00ad\u034f\u1680\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/u;

/**
 * Why the password is refused, or undefined. Never shows it. Accepted is what SASLprep leaves as it is, so that PostgreSQL, libpq and every
 * other client use the same bytes, whether they prepare passwords or not.
 */
export function passwordProblem(password: string): string | undefined {
  if (password.trim() === "") return "must not be empty or blanks only: PostgreSQL would take the password away";
  if (/[\0\r\n]/.test(password)) return "must not hold line breaks or NUL: no password file can hold them";
  if (/\p{Surrogate}/u.test(password)) return "holds half of a Unicode character (a lone surrogate)";
  if (/^(md5[\da-f]{32}|SCRAM-SHA-256\$.*)$/.test(password))
    return "looks like a hash, which PostgreSQL would store as it is; give a SCRAM verifier as `verifier`";
  const bytes = Buffer.byteLength(password);
  if (bytes > longestPasswordBytes) return `has ${bytes} bytes, more than ${longestPasswordBytes}`;
  if (changedBySaslprep.test(password) || password.normalize("NFKC") !== password)
    return "holds characters that clients change in different ways (SASLprep, RFC 4013); write it in Unicode's form NFKC, without invisible characters";
  return undefined;
}

/** Why the text is no verifier that is accepted, or undefined. Never shows it. */
export function verifierProblem(verifier: string): string | undefined {
  const parts = parse(verifier);
  if (parts === undefined)
    return "is no SCRAM-SHA-256 verifier (SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>), as pg_authid.rolpassword holds it";
  return iterationsProblem(parts.iterations);
}

/** Why the number of iterations is refused, or undefined. */
export const iterationsProblem = (iterations: number): string | undefined =>
  Number.isInteger(iterations) && iterations >= defaultIterations && iterations <= mostIterations
    ? undefined
    : `must be a whole number from ${defaultIterations} to ${mostIterations} iterations, got ${String(iterations)}`;
