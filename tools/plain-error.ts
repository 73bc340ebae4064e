import { RunError } from "@pulumi/pulumi/errors.js";

import { Refusal } from "../components/provider/access/api-failure.ts";
import { Unobservable } from "../components/provider/resource.ts";
import { SettingsError } from "../stacks/settings/settings.ts";

/** Does what may fail for a reason that the user mends: such an error needs no stack trace. */
export async function failPlainly<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (
      error instanceof Refusal ||
      error instanceof Unobservable ||
      error instanceof SettingsError ||
      RunError.isInstance(error)
    ) {
      throw new Error(error.message, { cause: error });
    }
    throw error;
  }
}
