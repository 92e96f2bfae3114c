"""A JSON value held against a type of a vendor's library: what is missing, what the type does not know, what is of another kind.

The libraries themselves are lenient: they take any member and let required ones be absent. Here a member that the type does not
have is one too many, one without a default has to be there, and a literal is one of the words that the vendor has.
"""

import datetime
import enum
import types
import typing

import typing_extensions
from pydantic import BaseModel, ByteSize

NONE = type(None)


def problems(value, kind, path=""):
    """What of `value` does not fit `kind`, as `path: what`."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Annotated, typing_extensions.Annotated):
        return problems(value, parts[0], path)
    if hasattr(kind, "__value__"):  # a named alias
        return problems(value, kind.__value__, path)
    if origin in (typing.Union, types.UnionType):
        return best(value, parts, path)
    if origin is typing.Literal or origin is typing_extensions.Literal:
        return [] if value in parts else [f"{path}: {value!r} is none of {', '.join(map(str, parts))}"]
    if kind in (typing.Any, object) or isinstance(kind, typing.TypeVar):
        return []
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return members(value, kind, path)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        words = [one.value for one in kind]
        return [] if value in words else [f"{path}: {value!r} is none of {', '.join(map(str, words))}"]
    if origin is not None and issubclass(origin, dict | typing.Mapping):
        if not isinstance(value, dict):
            return [f"{path}: is no object"]
        return [one for name, inner in value.items() for one in problems(inner, parts[1], f"{path}.{name}")]
    if origin is not None:  # a list of some kind
        if not isinstance(value, list):
            return [f"{path}: is no list"]
        return [one for inner in value for one in problems(inner, parts[0], f"{path}[]")]
    return plain(value, kind, path)


def plain(value, kind, path):
    takes = {float: (int, float), ByteSize: (int,), bytes: (str,), datetime.datetime: (str,)}.get(kind, (kind,))
    fits = isinstance(value, takes) and (kind is bool or not isinstance(value, bool))
    return [] if fits else [f"{path}: {value!r} is no {getattr(kind, '__name__', kind)}"]


def best(value, kinds, path):
    """The problems with that of several kinds which is meant: the one of the value's `type`, or of the fewest problems."""
    if value is None and NONE in kinds:
        return []
    kinds = [kind for kind in kinds if kind is not NONE]
    named = [kind for kind in kinds if isinstance(value, dict) and "type" in value and names(kind, value["type"])]
    return min((problems(value, kind, path) for kind in named or kinds), key=len)


def names(kind, word):
    if typing.get_origin(kind) in (typing.Annotated, typing_extensions.Annotated):
        return names(typing.get_args(kind)[0], word)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(names(one, word) for one in typing.get_args(kind))
    field = getattr(kind, "model_fields", {}).get("type")
    return field is not None and word in typing.get_args(field.annotation)


def members(value, kind, path):
    if not isinstance(value, dict):
        return [f"{path}: is no object"]
    known = {field.alias or name: field for name, field in kind.model_fields.items()}
    found = [f"{path}.{name}: {kind.__name__} has no such member" for name in value if name not in known]
    found += [f"{path}.{name}: is missing" for name, field in known.items() if field.is_required() and name not in value]
    for name, field in known.items():
        # A member with a default need not be there, and is null only where the type says so.
        if name in value:
            found += problems(value[name], field.annotation, f"{path}.{name}")
    return found
