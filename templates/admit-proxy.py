"""Tells whether a proxy can be given requests: run inside its container, before it is in any route.

    python3 admit-proxy.py [--model NAME] [--database] [--port PORT] [--deadline SECONDS]

The proxy must be ready and answer: a chat with the model, which costs nothing where it is a mock,
or else the list of its models. With a database the request is made with a virtual key that lives
only for it, so that the way of every user is known to work; without one, with the master key.

Exit code 0, or 1 and one line that says why, without secrets. Tried again until the deadline.
"""

import argparse
import contextlib
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
import uuid

# No proxy of the network stands between a container and itself.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
REQUEST_SECONDS = 30
PAUSE_SECONDS = 1
# Should its deletion fail, too.
KEY_LIFETIME = "10m"


class Refused(Exception):
    """Why the proxy cannot be given requests."""


class Proxy:
    def __init__(self, port, deadline):
        self.base = f"http://127.0.0.1:{port}"
        self.deadline = deadline
        self.secrets = set()

    def ask(self, method, path, key=None, body=None):
        """The answer to a request, which must be 200."""
        if key is not None:
            self.secrets.add(key)
        request = urllib.request.Request(
            f"{self.base}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                **({} if key is None else {"Authorization": f"Bearer {key}"}),
            },
        )
        seconds = max(1, min(REQUEST_SECONDS, self.deadline - time.monotonic()))
        try:
            with OPENER.open(request, timeout=seconds) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(f"{method} {path} answered {error.code}: {explain(error.read())}") from None
        except (OSError, ValueError) as error:
            raise Refused(f"{method} {path} failed: {getattr(error, 'reason', error)}") from None

    def redact(self, text):
        """On one line, not a long one."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        text = re.sub(r"\bsk-[\w-]{4,}", "[secret]", text)
        return " ".join(text.split())[:500]


def explain(body):
    """The message in one of LiteLLM's errors, or its text."""
    text = body.decode(errors="replace")
    try:
        error = json.loads(text)
        for name in ("error", "detail", "message"):
            if isinstance(error, dict):
                error = error.get(name, error)
        return error if isinstance(error, str) else json.dumps(error)
    except ValueError:
        return text


def use(proxy, key, model):
    if model is None:
        proxy.ask("GET", "/v1/models", key)
        return
    message = {"role": "user", "content": "Are you there?"}
    answer = proxy.ask("POST", "/v1/chat/completions", key, {"model": model, "messages": [message]})
    if not isinstance(answer, dict) or not answer.get("choices"):
        raise Refused(f"the chat with {model} has no answer")


def use_virtual_key(proxy, master_key, model):
    request = {"key_alias": f"admission-{uuid.uuid4()}", "duration": KEY_LIFETIME}
    if model is not None:
        request["models"] = [model]
    key = proxy.ask("POST", "/key/generate", master_key, request).get("key")
    if not key:
        raise Refused("POST /key/generate answered without a key")
    try:
        use(proxy, key, model)
    except Refused:
        with contextlib.suppress(Refused):
            delete_key(proxy, master_key, key)
        raise
    delete_key(proxy, master_key, key)


def delete_key(proxy, master_key, key):
    proxy.ask("POST", "/key/delete", master_key, {"keys": [key]})


def admit(proxy, master_key, model, database):
    proxy.ask("GET", "/health/readiness")
    if database:
        use_virtual_key(proxy, master_key, model)
    else:
        use(proxy, master_key, model)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--database", action="store_true")
    parser.add_argument("--port", type=int, default=4000)
    parser.add_argument("--deadline", type=float, default=30)
    options = parser.parse_args()
    master_key = os.environ.get("LITELLM_MASTER_KEY")
    if not master_key:
        sys.exit("LITELLM_MASTER_KEY is not in the environment of this container")
    proxy = Proxy(options.port, time.monotonic() + options.deadline)
    while True:
        try:
            return admit(proxy, master_key, options.model, options.database)
        except Refused as error:
            if time.monotonic() + PAUSE_SECONDS >= proxy.deadline:
                sys.exit(proxy.redact(str(error)))
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
