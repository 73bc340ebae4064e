import * as pulumi from "@pulumi/pulumi";

import { File, SaltKey } from "../../../components/resources.ts";

const config = new pulumi.Config();
const secret = config.requireSecret("secret");

const text = new File(config.get("name") ?? "text", {
  path: "out/text",
  content: config.require("content"),
  ...(config.get("mode") !== undefined && { mode: config.require("mode") }),
});
new File("secret", {
  path: "out/secret",
  content: pulumi.interpolate`KEY=${secret}\n`,
  mode: "0600",
});
const salt = new SaltKey("salt", { value: config.requireSecret("salt") });
new File("dependent", {
  path: pulumi.interpolate`${text.path}.${salt.fingerprint}`,
  content: "of a path that is known in every preview but the first",
});

const imported = config.get("import");
if (imported !== undefined) {
  new File(
    "imported",
    { path: imported, content: pulumi.interpolate`theirs ${secret}\n`, mode: "0600" },
    { import: imported },
  );
}

export const { fingerprint, value } = salt;
