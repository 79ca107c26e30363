/** Lines to the user: an operation ends once the engine has them, since after its last answer it takes no more. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { database } from "../../../../providers/dynamic/database";
import { provider } from "../../../../providers/dynamic/engine/entry";

const grpc = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof Grpc;

describe("an operation", () => {
  it("ends once the engine has its lines", async () => {
    const lines: string[] = [];
    const engine = new grpc.Server();
    const log = (call: { readonly request: LogRequest }, done: (error: null, value: object) => void) => {
      setTimeout(() => {
        lines.push(call.request.getMessage());
        done(null, {});
      }, 100);
    };
    engine.addService({ log: { ...EngineService.log, responseSerialize: () => Buffer.alloc(0) } }, { log });
    const port = await new Promise<number>((resolve, reject) =>
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const former = process.argv[2];
    process.argv[2] = `127.0.0.1:${String(port)}`;
    try {
      const connection = { host: "c", port: 1, database: "postgres", user: "postgres", tls: { ca: "" } };
      await provider(database).delete("app", { connection, nodes: {}, name: "app", logUrn: "urn:pulumi:x" });
      assert.match(lines.join(), /^kept the database "app"/);
    } finally {
      if (former === undefined) process.argv.splice(2, 1);
      else process.argv[2] = former;
      engine.forceShutdown();
    }
  });
});
