/** The offline tls plugin: program of the launcher that scripts/pulumi.mjs writes. */
import { serve, type Plugin } from "../serve";
import { sdkVersion } from "../version";
import { locallySignedCert, selfSignedCert } from "./certificates";
import { privateKey } from "./keys";
import { certRequest } from "./requests";

export const plugin: Plugin = {
  name: "tls",
  version: sdkVersion("tls"),
  resources: {
    "tls:index/privateKey:PrivateKey": privateKey,
    "tls:index/certRequest:CertRequest": certRequest,
    "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
    "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
  },
};

if (require.main === module) void serve(plugin);
