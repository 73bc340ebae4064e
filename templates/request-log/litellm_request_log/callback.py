"""The callback of LiteLLM that tells the request log of every request.

Of LiteLLM 1.106.2's events two together tell of each call of a model once, whatever becomes of it:
`async_log_success_event` (streams included, and those that the client leaves) and
`async_post_call_failure_hook` (refused keys and models, bad requests, errors of the provider).
`async_log_failure_event` does not: a fallback that succeeds has it, too.
"""

import asyncio
import atexit
import logging
import os
import uuid
from datetime import datetime, timedelta, timezone

import uvicorn
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
from litellm.types.router import RouterRateLimitError

from .presented_key import digest_of_event, presented_key
from .settings import database_engine, number_of
from .spill import Spill
from .writer import Writer

log = logging.getLogger(__name__)

# Clients choose models, routes and ids of requests, as long as they like.
LONGEST_TEXT = 300
# The largest that PostgreSQL's bigint holds.
LARGEST_NUMBER = 2**63 - 1
# LiteLLM's own name for requests that nobody made.
HEALTH_CHECK = "litellm-internal-health-check"
# For events that LiteLLM has not handed on yet when the process stops.
FLUSH_SECONDS = 10


class RequestLog(CustomLogger):
    def __init__(self):
        super().__init__()
        # Settings are read here, so that a wrong one stops the proxy's start and not its first request.
        self._spill = Spill(
            os.environ.get("REQUEST_LOG_SPILL_FILE") or None,
            number_of("REQUEST_LOG_SPILL_BYTES", 256 * 1024 * 1024),
        )
        self._buffer_rows = number_of("REQUEST_LOG_BUFFER_ROWS", 20_000)
        self._writer = None
        self._process = None
        self._start_writer()

    def _start_writer(self):
        """Threads and connections do not survive a fork: each process has its own."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._writer = Writer(database_engine(), self._spill, self._buffer_rows)
        atexit.register(self.close)

    def close(self):
        """Keeps what has not been written; a second time does nothing."""
        if self._process == os.getpid():
            self._writer.close()

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        try:
            payload = kwargs.get("standard_logging_object") or {}
            metadata = payload.get("metadata") or {}
            if metadata.get("user_api_key_hash") == HEALTH_CHECK:
                return
            self._put(
                received_at=start_time,
                answered_at=end_time,
                request_id=kwargs.get("litellm_call_id"),
                route=metadata.get("user_api_key_request_route"),
                model=payload.get("model_group") or kwargs.get("model"),
                status_code=200,
                user_id=metadata.get("user_api_key_user_id"),
                api_key=metadata.get("user_api_key_hash"),
                key_alias=metadata.get("user_api_key_alias"),
                tokens=payload,
            )
        except Exception as error:
            log.warning("request log: an answer could not be noted: %s", type(error).__name__)

    async def async_post_call_failure_hook(
        self, request_data, original_exception, user_api_key_dict, traceback_str=None
    ):
        try:
            now = datetime.now(timezone.utc)
            self._put(
                received_at=request_data.get("litellm_received_at") or request_data.get("start_time") or now,
                answered_at=now,
                request_id=request_data.get("litellm_call_id"),
                route=user_api_key_dict.request_route,
                model=request_data.get("model"),
                status_code=status_of(original_exception),
                user_id=user_api_key_dict.user_id,
                api_key=user_api_key_dict.api_key,
                key_alias=user_api_key_dict.key_alias,
                tokens={},
            )
        except Exception as error:
            log.warning("request log: a failure could not be noted: %s", type(error).__name__)

    def _put(self, *, received_at, answered_at, request_id, api_key, status_code, tokens, **texts):
        self._start_writer()
        received_at, answered_at = in_utc(received_at), in_utc(answered_at)
        latency = (answered_at - received_at) / timedelta(milliseconds=1)
        self._writer.put(
            {
                "id": str(uuid.uuid4()),
                "response_id": str(uuid.uuid4()),
                "received_at": received_at,
                "answered_at": answered_at,
                "latency_ms": max(0.0, latency),
                "request_id": storable(request_id) or "",
                "status_code": status_code,
                "api_key": presented_key.get() or digest_of_event(api_key),
                **{name: storable(text) for name, text in texts.items()},
                **{name: count(tokens.get(name)) for name in TOKENS},
            }
        )


TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")


def in_utc(time):
    """LiteLLM's times without a zone are the machine's."""
    return time.astimezone(timezone.utc) if isinstance(time, datetime) else datetime.now(timezone.utc)


def storable(text):
    """What a text of PostgreSQL can hold, and not too long."""
    if text is None:
        return None
    return str(text)[:LONGEST_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def count(number):
    return min(number, LARGEST_NUMBER) if isinstance(number, int) else 0


def status_of(error):
    """The status that the client is given for an error."""
    # All deployments of a model cool down: it has no code of its own.
    if isinstance(error, RouterRateLimitError):
        return 429
    for name in ("status_code", "code"):
        try:
            status = int(getattr(error, name))
        except (AttributeError, TypeError, ValueError):
            continue
        if 100 <= status <= 599:
            return status
    return 401 if is_of_authentication(error) else 500


def is_of_authentication(error):
    """LiteLLM refuses a request for whatever goes wrong in its check of the key."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("user_api_key_auth.py"):
            return True
        trace = trace.tb_next
    return False


def close_with_the_server(request_log):
    """Lets the server stop only when the log is written.

    LiteLLM has no event for its end. After uvicorn's last step the signal that stopped it is raised
    anew and ends the process, mostly before any function registered with atexit; a second signal
    would in any case. So it has to happen within that last step, when all requests are answered.
    """
    shutdown = uvicorn.Server.shutdown

    async def shutdown_and_close(server, *arguments, **named):
        try:
            await shutdown(server, *arguments, **named)
        finally:
            try:
                await asyncio.wait_for(GLOBAL_LOGGING_WORKER.flush(), FLUSH_SECONDS)
            except Exception as error:
                log.warning("request log: LiteLLM has not handed on all answers: %s", type(error).__name__)
            request_log.close()

    uvicorn.Server.shutdown = shutdown_and_close


request_log = RequestLog()
close_with_the_server(request_log)
