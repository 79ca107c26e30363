/** Local hosts with their configuration on the real engine and the real command plugin: up, up again, a change, a preview of one, destroy. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { LocalHosts } from "../../../components/hosts/local";
import { NodeConfiguration } from "../../../components/node-configuration";
import { type Settings } from "../../../components/node-configuration/files";
import { makeAuthority, type Authority, type Issued } from "../../support/authority";
import { withStack } from "../../support/stack";
import { requires, serversOf } from "../../support/tools";
import { freePort } from "./test-host";

describe("LocalHosts and NodeConfiguration on the real engine", function () {
  this.timeout(600_000);

  it("form once, change nothing the second time, reload or restart for a change, and stop on destroy", async function () {
    requires(this, "cli", "command", "postgres", "citus");
    const authority = await makeAuthority();
    const list = await authority.revocationList();
    const issued = {
      coordinator: await authority.issue("node:coordinator", "127.0.0.1"),
      a: await authority.issue("node:a", "127.0.0.1"),
    };
    const [port, other] = [await freePort(), await freePort()];
    let data = "";
    const program = (settings: Settings) => () => {
      const { hosts } = new LocalHosts("hosts", {
        folder: data,
        ...serversOf(),
        coordinator: { port },
        workers: { a: { port: other } },
      });
      const args = {
        hosts,
        ...files(authority, list, issued),
        settings: { a: settings },
        operatorNetworks: ["127.0.0.1"],
      };
      return Promise.resolve({ outcomes: new NodeConfiguration("nodes", args).outcomes });
    };

    await withStack(
      (folder) => {
        data = folder;
        return program({});
      },
      async (stack) => {
        const formed = await stack.up();
        assert.deepEqual(formed.outputs["outcomes"], {
          value: { coordinator: "started", a: "started" },
          secret: false,
        });
        // No host before every host was looked at.
        const steps = formed.steps.map(({ type, name }) => `${type.split(":").at(-1) ?? ""} ${name}`);
        const lastLook = Math.max(...steps.map((step, at) => (step.startsWith("Preflight") ? at : 0)));
        assert.ok(steps.findIndex((step) => step.startsWith("Command")) > lastLook, steps.join("\n"));

        await stack.expectNoChanges();

        stack.change(program({ max_connections: "150" }));
        const preview = await stack.preview();
        assert.deepEqual(
          preview.steps.map(({ op, name }) => `${op} ${name}`),
          ["update nodes", "update nodes-a"],
        );
        assert.deepEqual((await stack.up()).outputs["outcomes"]?.value, {
          coordinator: "started",
          a: "restarted: max_connections, max_prepared_transactions",
        });

        stack.change(program({ max_connections: "lots" }));
        const failed = await stack.failing("up");
        assert.match(failed.output, /host "a": PostgreSQL refuses the settings/);
        assert.match(failed.output, /invalid value for parameter "max_connections": "lots"/);
        stack.change(program({ max_connections: "150" }));
        await stack.up();

        const printed = [formed, preview, failed].map(({ output }) => output).join("\n");
        // The file of the backend itself: an export would open the secrets.
        const state = readFileSync(join(stack.workFolder, "state/.pulumi/stacks/test/test.json"), "utf8");
        assert.ok(state.includes("bash -s create"));
        for (const { privateKey } of Object.values(issued)) {
          const mark = privateKey.split("\n")[1] ?? "";
          assert.ok(mark.length > 20 && !printed.includes(mark) && !state.includes(mark));
        }

        const gone = await stack.destroy();
        assert.match(gone.output, /keeps the data of host "a" in /);
        for (const key of ["coordinator", "a"]) {
          assert.ok(existsSync(join(data, key, "data", "PG_VERSION")));
          assert.ok(!readdirSync(join(data, key, "data")).includes("postmaster.pid"));
          assert.equal(
            readFileSync(join(data, key, "server.log"), "utf8").split("ready to accept connections").length - 1,
            key === "a" ? 2 : 1,
          );
        }
      },
    );
  });
});

function files(authority: Authority, revocationList: string, issued: Readonly<Record<string, Issued>>) {
  const certificates = Object.entries(issued).map(
    ([key, { certificate, privateKey }]) => [key, { certificate, privateKey: pulumi.secret(privateKey) }] as const,
  );
  return { authority: authority.certificate, certificates: Object.fromEntries(certificates), revocationList };
}
