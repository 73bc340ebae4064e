"""Static API keys: LiteLLM's `custom_auth`.

STATIC_KEYS_FILE holds them by their SHA-256, in JSON, and is read once by each process:

    {"<64 hexadecimal digits>": {"alias": "team-a", "models": ["gpt"], "expires": "2027-01-01T00:00:00Z", "userId": null}}

No models: all of them. A digest keeps a random key secret, not one that can be guessed.

STATIC_KEYS_AND_DATABASE=1 leaves every other key that begins with `sk-` to LiteLLM's database.

The models of a key are enforced by LiteLLM, and only with both of its settings
`general_settings.custom_auth_run_common_checks` and `litellm_settings.enable_post_custom_auth_checks`.
"""

import json
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from litellm.proxy._types import LitellmUserRoles, ProxyErrorTypes, ProxyException, UserAPIKeyAuth

from .presented_key import digest, presented_key


class StaticKey(NamedTuple):
    alias: str
    models: list
    expires: datetime | None
    user_id: str | None


def read_keys(path):
    """Raises ValueError that names the file and the key, by its alias."""
    try:
        entries = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"the static keys cannot be read from {path} (STATIC_KEYS_FILE): {error}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path} must hold an object: keys by their SHA-256")
    return {sha256: parse(path, sha256, entry) for sha256, entry in entries.items()}


def parse(path, sha256, entry):
    alias = entry.get("alias") if isinstance(entry, dict) else None
    if not isinstance(alias, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        # Not quoted: it may be the key itself.
        raise ValueError(f"{path} must hold keys by their SHA-256, each with an alias: {alias or 'one'} is not so")
    models, expires, user_id = entry.get("models", []), entry.get("expires"), entry.get("userId")
    if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
        raise ValueError(f"{path}: the models of {alias} must be a list of names")
    if expires is not None:
        try:
            expires = datetime.fromisoformat(expires)
        except (TypeError, ValueError):
            raise ValueError(f"{path}: {alias} must expire at a time such as 2027-01-01T00:00:00Z") from None
        if expires.tzinfo is None:
            expires = expires.replace(tzinfo=timezone.utc)
    return StaticKey(alias, models, expires, user_id)


KEYS = read_keys(os.environ.get("STATIC_KEYS_FILE", ""))
HAS_DATABASE = os.environ.get("STATIC_KEYS_AND_DATABASE") == "1"
MASTER_KEY = digest(os.environ.get("LITELLM_MASTER_KEY", ""))


async def authenticate(request, api_key):
    """Who a request is made for. A string leaves the decision to LiteLLM's own check of this key."""
    if not api_key:
        raise refuse("no API key was given; send the header Authorization: Bearer <key>")
    # Compared as digests: how long it takes says nothing of a key.
    sha256 = digest(api_key)
    presented_key.set(sha256)
    if sha256 == MASTER_KEY:
        return api_key
    key = KEYS.get(sha256)
    if key is None:
        if HAS_DATABASE and api_key.startswith("sk-"):
            return api_key
        raise refuse("this API key is not known")
    if key.expires is not None and key.expires <= datetime.now(timezone.utc):
        raise refuse(f"this API key has expired on {key.expires.isoformat()}", ProxyErrorTypes.expired_key)
    return UserAPIKeyAuth(
        api_key=sha256,
        key_alias=key.alias,
        user_id=key.user_id,
        user_role=LitellmUserRoles.INTERNAL_USER,
        models=key.models,
        # Else it could ask for GET /health, which calls every model, and is paid for.
        allowed_routes=["llm_api_routes"],
    )


def refuse(message, kind=ProxyErrorTypes.auth_error):
    return ProxyException(message=f"Authentication Error, {message}", type=kind, param="api_key", code=401)
