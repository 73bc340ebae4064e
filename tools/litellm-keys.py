"""Prints, as JSON, which keys the installed LiteLLM reads in each section of its config file.

Run it with the Python of an environment that holds LiteLLM: `npm run generate -- --keys`.

LiteLLM has no schema of its config file, so the keys come from where it takes them: models,
signatures and the places in its source that look a key up. Types are kept only where the package
declares them, in a small language: string, integer, number, boolean, array, object, any, a JSON
string for a literal, and `|` between alternatives.
"""

import ast
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import dataclasses
import enum
import importlib.metadata
import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import litellm
from litellm import _redis
from litellm.caching.caching import Cache
from litellm.proxy import _types as proxy_types
from litellm.litellm_core_utils.health_check_helpers import HealthCheckHelpers
from litellm.router import Router
from litellm.types import router as router_types
from litellm.types import utils as util_types
from litellm.types.management_endpoints.cache_settings_endpoints import CACHE_SETTINGS_FIELDS
from pydantic import BaseModel

PACKAGE = Path(litellm.__file__).parent
SOURCES = [
    path.read_text(errors="ignore")
    for folder in (PACKAGE, PACKAGE.parent / "litellm_enterprise")
    for path in sorted(folder.rglob("*.py"))
]
Keys = dict[str, str]


def type_names(annotation: object) -> set[str]:
    """The names of an annotation in the small language; `any` where it says too little."""
    if annotation is None or annotation is type(None):
        return set()
    if hasattr(annotation, "__value__"):  # `type X = …`
        return type_names(annotation.__value__)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(type_names(argument) for argument in arguments))
    if origin is typing.Literal:
        return {json.dumps(literal) for literal in arguments if literal is not None}
    if origin is not None and getattr(origin, "__module__", "") in ("typing", "typing_extensions"):
        # Annotated, Required, NotRequired, ReadOnly, Final
        return type_names(arguments[0]) if arguments else {"any"}
    kind = origin or annotation
    if not isinstance(kind, type):
        return {"any"}
    if issubclass(kind, enum.Enum):
        return {json.dumps(member.value) for member in kind}
    for base, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if issubclass(kind, base):
            return {name}
    if typing.is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return {"object"}
    if issubclass(kind, (BaseModel, Mapping)):
        return {"object"}
    if kind is not object and issubclass(kind, Iterable):
        return {"array"}
    return {"any"}


def type_of(annotation: object) -> str:
    names = type_names(annotation)
    if not names or "any" in names:
        return "any"
    if "number" in names:
        names.discard("integer")
    if "string" in names:
        names = {name for name in names if not name.startswith('"')}
    return "|".join(sorted(names))


def model_keys(model: type[BaseModel]) -> Keys:
    return {name: type_of(field.annotation) for name, field in model.model_fields.items()}


def typed_dict_keys(typed_dict: type) -> Keys:
    return {name: type_of(hint) for name, hint in typing.get_type_hints(typed_dict).items()}


def evaluate(annotation: object, names: Mapping[str, object]) -> object:
    """An annotation as an object; one that names what only type checkers import says nothing."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {**vars(typing), **names})
    except Exception:
        return object


def signature_keys(function: typing.Callable) -> Keys:
    names = inspect.unwrap(function).__globals__
    return {
        name: type_of(evaluate(parameter.annotation, names))
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def keys_looked_up(variable: str) -> Keys:
    """Keys that the source reads from a variable of this name: its annotation is unknown."""
    patterns = (
        variable + r"""(?:\.get\(|\.pop\(|\[)\s*["']([a-zA-Z_0-9]+)["']""",
        r"""["']([a-zA-Z_0-9]+)["']\s+(?:not\s+)?in\s+""" + variable + r"\b",
    )
    return {
        key: "any"
        for source in SOURCES
        for pattern in patterns
        for key in re.findall(pattern, source)
    }


def module_keys() -> Keys:
    """`litellm_settings` sets attributes of the module: those that a config file can express."""
    annotated = {
        node.target.id: node.annotation
        for node in ast.parse((PACKAGE / "__init__.py").read_text()).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    keys: Keys = {
        name: "any" for name in annotated if not name.startswith("_") and not hasattr(litellm, name)
    }
    for name, value in vars(litellm).items():
        settable = value is None or isinstance(value, (bool, int, float, str, list, dict))
        if name.startswith("_") or name != name.lower() or not settable:
            continue
        keys[name] = "boolean" if isinstance(value, bool) else "any"
    for name, annotation in annotated.items():
        if name in keys:
            keys[name] = type_of(evaluate(ast.unparse(annotation), vars(litellm)))
    return keys


def attributes_looked_up() -> Keys:
    """Attributes of the module that exist only once a config file sets them."""
    pattern = r"""getattr\(\s*litellm,\s*["']([a-z_0-9]+)["']"""
    return {key: "any" for source in SOURCES for key in re.findall(pattern, source)}


def special_cased_settings() -> Keys:
    """Keys of `litellm_settings` that the proxy treats itself while it loads the file."""
    source = (PACKAGE / "proxy" / "proxy_server.py").read_text()
    start = source.index("for key, value in litellm_settings.items():")
    end = source.index("## GENERAL SERVER SETTINGS", start)
    block = source[start:end]
    keys = set(re.findall(r"""key == ["']([a-z_0-9]+)["']""", block))
    for several in re.findall(r"""key in [\[({]([^\])}]*)[\])}]""", block):
        keys |= set(re.findall(r"""["']([a-z_0-9]+)["']""", several))
    return {key: "any" for key in keys}


def provider_parameters() -> Keys:
    """Parameters of a call that only some providers know."""
    supported = r"def get_supported_\w*params\b.*?return\s*\[(.*?)\]"
    config = r"^class \w+Config\(.*?(?=^class |\Z)"
    keys: Keys = {}
    for name in ("optional_params", "litellm_params", "kwargs"):
        keys |= keys_looked_up(name)
    for path in sorted((PACKAGE / "llms").rglob("*.py")):
        source = path.read_text(errors="ignore")
        for body in re.findall(supported, source, re.DOTALL):
            keys |= {key: "any" for key in re.findall(r"""["']([a-zA-Z_0-9]+)["']""", body)}
        for body in re.findall(config, source, re.DOTALL | re.MULTILINE):
            keys |= {key: "any" for key in re.findall(r"^    ([a-z]\w*): ", body, re.MULTILINE)}
    return keys


def merge(*sources: Keys) -> Keys:
    """Earlier sources win, except that one which knows a type wins over one that does not."""
    merged: Keys = {}
    for source in sources:
        for key, name in source.items():
            if merged.get(key, "any") == "any":
                merged[key] = name
    return dict(sorted(merged.items()))


def without(keys: Keys, *names: str) -> Keys:
    return {key: name for key, name in keys.items() if key not in names}


def litellm_params() -> Keys:
    calls = (
        litellm.completion,
        litellm.embedding,
        litellm.image_generation,
        litellm.rerank,
        litellm.speech,
        litellm.text_completion,
        litellm.transcription,
    )
    openai_parameters = {key: "any" for key in litellm.OPENAI_CHAT_COMPLETION_PARAMS}
    known = {key: "any" for key in util_types.all_litellm_params}
    # One key means different things to different calls, such as `logprobs`: its type is then open.
    declared_by_calls = [signature_keys(call) for call in calls]
    call_parameters: Keys = {}
    for parameters in declared_by_calls:
        for key in parameters:
            names = {other[key] for other in declared_by_calls if key in other} - {"any"}
            if names == {"integer", "number"}:
                names = {"number"}
            agreed = len(names) == 1 and names <= {"boolean", "integer", "number"}
            is_chat = key in declared_by_calls[0]
            call_parameters[key] = names.pop() if agreed and is_chat else "any"
    declared = model_keys(router_types.LiteLLM_Params)
    return without(
        merge(declared, call_parameters, openai_parameters, known, provider_parameters()),
        "self",
        "args",
        "kwargs",
        "messages",
    )


def routing_strategies() -> str:
    declared = set(type_of(typing.get_type_hints(Router.__init__)["routing_strategy"]).split("|"))
    return "|".join(sorted(declared | type_names(router_types.RoutingStrategy)))


def providers() -> list[str]:
    names = {provider.value for provider in util_types.LlmProviders}
    names |= {str(getattr(provider, "value", provider)) for provider in litellm.provider_list}
    names |= set(litellm.openai_compatible_providers)
    names |= set(json.loads((PACKAGE / "llms" / "openai_like" / "providers.json").read_text()))
    return sorted(names)


def modes() -> list[str]:
    """Values of `model_info.mode`: those that a price list or a health check knows."""
    handlers = typing.get_type_hints(HealthCheckHelpers.get_mode_handlers)["return"]
    declared = type_names(typing.get_type_hints(util_types.ModelInfoBase)["mode"])
    names = {json.loads(name) for name in declared | type_names(typing.get_args(handlers)[0])}
    names |= {str(model["mode"]) for model in litellm.model_cost.values() if "mode" in model}
    return sorted(name for name in names if re.fullmatch("[a-z_]+", name))


def main() -> None:
    router = merge(
        {"routing_strategy": routing_strategies()},
        without(signature_keys(Router.__init__), "model_list"),
        model_keys(router_types.UpdateRouterConfig),
        keys_looked_up("router_settings"),
    )
    sections = {
        "general_settings": merge(
            model_keys(proxy_types.ConfigGeneralSettings), keys_looked_up("general_settings")
        ),
        "litellm_settings": merge(
            special_cased_settings(),
            module_keys(),
            keys_looked_up("litellm_settings"),
            attributes_looked_up(),
        ),
        "router_settings": router,
        "litellm_params": litellm_params(),
        "model_info": merge(
            {"mode": "|".join(json.dumps(mode) for mode in modes())},
            model_keys(router_types.ModelInfo),
            typed_dict_keys(util_types.ModelInfo),
            keys_looked_up("model_info"),
        ),
        "cache_params": merge(
            signature_keys(Cache.__init__),
            model_keys(proxy_types.CoordinationRedisParams),
            {key: "any" for key in _redis._get_redis_kwargs()},
            {field.field_name: "any" for field in CACHE_SETTINGS_FIELDS},
            keys_looked_up("cache_params"),
        ),
        "retry_policy": merge(model_keys(router_types.RetryPolicy)),
        "allowed_fails_policy": merge(model_keys(router_types.AllowedFailsPolicy)),
    }
    print(
        json.dumps(
            {
                "version": importlib.metadata.version("litellm"),
                "providers": providers(),
                "modes": modes(),
                "sections": sections,
            },
        )
    )


main()
