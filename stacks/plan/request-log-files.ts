/** The packages that the request log needs beside LiteLLM's, as uv has locked them. */
export const REQUEST_LOG_REQUIREMENTS_FILE = "templates/request-log/requirements-request-log.lock";

const FOLDER = "templates/request-log/litellm_request_log";

/** The request log's Python package, file by file; a test compares the list with the folder. */
export function listRequestLogFiles(): string[] {
  return [
    "__init__.py",
    "__main__.py",
    "authentication.py",
    "callback.py",
    "maintenance.py",
    "migrations/env.py",
    "migrations/versions/0001_requests_and_responses.py",
    "presented_key.py",
    "schema.py",
    "settings.py",
    "spill.py",
    "writer.py",
  ].map((name) => `${FOLDER}/${name}`);
}
