/** The offline command plugin: program of the launcher that scripts/pulumi.mjs writes. */
import { serve, type Plugin } from "../serve";
import { sdkVersion } from "../version";
import { localCommand } from "./local";
import { remoteCommand } from "./remote";

export const plugin: Plugin = {
  name: "command",
  version: sdkVersion("command"),
  resources: { "command:local:Command": localCommand, "command:remote:Command": remoteCommand },
};

if (require.main === module) void serve(plugin);
