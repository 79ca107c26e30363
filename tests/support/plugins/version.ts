/** Versions of the SDKs that the offline plugins stand beside. */
import { readFileSync } from "node:fs";

/** Version of an installed `@pulumi` package. The engine takes a plugin of exactly this version. */
export function sdkVersion(name: "tls" | "command"): string {
  const file = require.resolve(`@pulumi/${name}/package.json`);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
