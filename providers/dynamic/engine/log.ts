/** Lines that users see beside a resource while it works, through the engine's own log. */
import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

/** Where lines go. `ephemeral` ones are replaced by the next; others stay in the run's output. */
export type Log = (message: string, ephemeral: boolean) => void;

// The client insists on credentials of the very copy of gRPC that the SDK loads, so it is resolved from there.
const grpc = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof Grpc;

let client: EngineClient | undefined;
let engineIsGone = false;

/** True once a line could not be delivered: the engine was killed, and nobody waits for the result. */
export const isAbandoned = () => engineIsGone;

const underWay = new Set<Promise<void>>();
const deliverySeconds = 10;

/** Gives what `work` gives once the engine has every line that was said: after its last answer it takes no more. */
export async function withLines<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } finally {
    await Promise.all(underWay);
  }
}

/** The log of one resource. Outside a provider process, where no engine listens, lines are dropped. */
export function engineLog(urn: unknown): Log {
  // The engine passes its address as the provider's first argument (pulumi/pulumi sdk/nodejs/cmd/dynamic-provider).
  const address = process.argv[2];
  if (typeof urn !== "string" || !urn.startsWith("urn:") || address === undefined || !/:\d+$/.test(address))
    return () => undefined;
  return (message, ephemeral) => {
    const engine = (client ??= new EngineClient(address, grpc.credentials.createInsecure()));
    const request = new LogRequest();
    request.setSeverity(LogSeverity.INFO);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    const arrives = new Promise<void>((resolve) => {
      engine.log(request, new grpc.Metadata(), { deadline: Date.now() + deliverySeconds * 1_000 }, (error) => {
        engineIsGone ||= error?.code === grpc.status.UNAVAILABLE;
        resolve();
      });
    });
    underWay.add(arrives);
    void arrives.then(() => underWay.delete(arrives));
  };
}
