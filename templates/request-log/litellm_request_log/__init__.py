"""The request log of LiteLLM in PostgreSQL, and static API keys, without LiteLLM's own database.

LiteLLM's config file names `litellm_request_log.callback.request_log` among its callbacks and
`litellm_request_log.authentication.authenticate` as `custom_auth`; this folder's parent is on PYTHONPATH.
"""
