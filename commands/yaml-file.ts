/** A workload's YAML as plain data. Repeated keys, syntax errors and several documents are refused with their line. */
import { parseDocument } from "yaml";

/** @throws Error with every complaint of the parser */
export function readYaml(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) throw new Error(document.errors.map(({ message }) => message.trimEnd()).join("\n"));
  return document.toJS();
}
