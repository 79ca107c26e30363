/** The rights that users are told to give, out of the example's README. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loginUser } from "../../support/hosts/hosts";
import { projectFolder } from "../../support/tools";

/** Versions of the distribution's packages that are installed here, and so on test hosts. */
export const majors = () =>
  existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").map(Number).filter(Number.isInteger) : [];

/** The newest one, which is taken. */
export const major = () => String(Math.max(...majors()));

/** Lines of a sudoers file for the login user of test hosts: what every target needs, or with a firewall too. */
export function documentedSudoers({ withFirewall = false } = {}): string {
  const text = readFileSync(join(projectFolder, "examples/existing-hosts/README.md"), "utf8");
  const [always, ...others] = [...text.matchAll(/```sudoers\n([\s\S]*?)```/g)].map(([, lines = ""]) => lines);
  const firewall = others.find((lines) => lines.includes("nftables"));
  assert.ok(always !== undefined && firewall !== undefined, "the example's README has lines of sudoers");
  return `${always}${withFirewall ? firewall : ""}`.replaceAll("deploy", loginUser).replaceAll("@17-", `@${major()}-`);
}
