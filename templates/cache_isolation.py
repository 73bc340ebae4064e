"""Keeps the cached answers of each API key for that key.

LiteLLM finds a cached answer by the request alone, so an answer made for one key would be given to
every other key that asks the same. It is a callback of LiteLLM, loaded from beside its config file:
every request gets the namespace of its key, inside of which the client's own namespace remains.
"""

import hashlib

from litellm.integrations.custom_logger import CustomLogger

# For what came without a key: neither read from the cache nor kept there.
UNCACHED = {"no-cache": True, "no-store": True}
# By these a client could name the cached answer of another key: LiteLLM 1.106.2 takes a cache key from
# the request's own `cache_key`, and from `preset_cache_key` among its `litellm_params`.
NAMES_OF_ANSWERS = ("cache_key", "litellm_params", "preset_cache_key")


class CacheIsolation(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        for name in NAMES_OF_ANSWERS:
            data.pop(name, None)
        given = data.get("cache")
        controls = dict(given) if isinstance(given, dict) else {}
        key = user_api_key_dict.api_key
        if not key:
            data["cache"] = {**controls, **UNCACHED}
            return data
        # LiteLLM has hashed most keys, but not all. The hash is no secret, and too short to be one.
        namespace = hashlib.sha256(key.encode()).hexdigest()[:32]
        own = controls.get("namespace")
        if own:
            namespace = f"{namespace}:{own}"
        else:
            permit_namespace(user_api_key_dict)
        data["cache"] = {**controls, "namespace": namespace}
        return data


def permit_namespace(user_api_key_dict):
    """A key may be allowed some cache controls only; what is set here is not the client's."""
    allowed = user_api_key_dict.allowed_cache_controls
    if isinstance(allowed, list) and allowed and "namespace" not in allowed:
        user_api_key_dict.allowed_cache_controls = [*allowed, "namespace"]


cache_isolation = CacheIsolation()
