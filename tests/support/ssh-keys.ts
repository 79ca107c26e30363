/** Key pairs for SSH that can be read. ssh2's generator drops leading zero bytes of Ed25519 keys: one pair in 250 is unreadable, to ssh2 itself too. */
import { utils } from "ssh2";

/** An Ed25519 pair in OpenSSH's formats, the private key encrypted where `locked` says how. */
export function sshKeys(locked?: {
  readonly passphrase: string;
  readonly cipher: string;
  readonly rounds: number;
}): ReturnType<typeof utils.generateKeyPairSync> {
  for (;;) {
    const pair = utils.generateKeyPairSync("ed25519", locked);
    const read = [utils.parseKey(pair.private, locked?.passphrase), utils.parseKey(pair.public)];
    if (!read.some((key) => key instanceof Error)) return pair;
  }
}
