"""The digest of the key that came with a request.

LiteLLM hashes only keys that begin with `sk-`: of others its events carry the key itself.
"""

import hashlib
import re
from contextvars import ContextVar

# Set where a request is authenticated, and seen by everything that is done for this request.
presented_key = ContextVar("presented_key", default=None)


def digest(key):
    """SHA-256 in hexadecimal, as LiteLLM makes it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of_event(key):
    """The digest of what an event of LiteLLM has for the key: the key, or its digest already."""
    if not key:
        return None
    return key if re.fullmatch("[0-9a-f]{64}", key) else digest(key)
