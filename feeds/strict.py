"""Strict configuration: YAML (or JSON) in, checked models out, every refusal with file, line, field and what would be right.

Used by feeds/config.py and engine/config.py. Unknown keys are errors with the nearest known name; numbers carry their unit in
the name, so a wrong unit is an unknown key; strings are never taken for numbers, nor the reverse. All problems of a file are
told at once."""

import difflib
import os
import pathlib
import stat
import types
import typing
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

FILE_PREFIX = "file:"
CONFIG_BYTES_MAX = 1 << 20
ECHO_MAX = 60  # characters of a refused value that are repeated in the message
TYPE_TAGS = ("literal[", "dict[", "list[")   # how pydantic names the member of a choice of types inside a location


class ConfigError(ValueError):
    """One or more problems of a configuration, one line each: `file:line: field: what is wrong; what would be right`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Misplaced(ValueError):
    """A problem that a check over several fields found; `place` = keys down to the field that should change."""

    def __init__(self, place: tuple[str, ...], text: str) -> None:
        super().__init__(text)
        self.place = place


class StrictModel(BaseModel):
    """Base of all sections: nothing unknown, nothing converted, nothing changed afterwards, no infinities."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True)


class SecretRef:
    """`file:/path` of a secret. Only the path is kept; the content is read when it is used and never shown."""

    __slots__ = ("path",)

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return "SecretRef('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def check(self) -> None:
        """Raise ValueError unless the file is the user's own, private and not empty."""
        try:
            info = os.stat(self.path)
        except OSError as error:
            raise ValueError(f"secret file {self.path} cannot be read ({error.strerror}); create it with mode 0600") from None
        if not stat.S_ISREG(info.st_mode):
            raise ValueError(f"secret file {self.path} is not a regular file")
        if info.st_uid != os.geteuid():
            raise ValueError(f"secret file {self.path} belongs to another user; it must be yours")
        if info.st_mode & 0o077:
            raise ValueError(
                f"secret file {self.path} has mode {info.st_mode & 0o777:04o}; others must not read it: chmod 600 {self.path}"
            )
        if not 0 < info.st_size <= 16384:
            raise ValueError(f"secret file {self.path} has {info.st_size} bytes; a key has 1 to 16384")

    def reveal(self) -> str:
        """The secret itself, white space around it removed. Checked again: a file can change while we run."""
        self.check()
        text = self.path.read_text().strip()
        if not text or "CHANGE" in text or "PLACEHOLDER" in text.upper():
            raise ValueError(f"secret file {self.path} is blank or holds a placeholder")
        return text

    @classmethod
    def parse(cls, value: object) -> "SecretRef":
        """From the configuration. A secret written there itself is refused and not repeated."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not value.startswith(FILE_PREFIX):
            raise ValueError("a secret is never written here; right is file:/path/to/file (mode 0600)")
        reference = cls(pathlib.Path(value.removeprefix(FILE_PREFIX)).expanduser())
        if not reference.path.is_absolute():
            raise ValueError("the path after file: must be absolute or begin with ~")
        reference.check()
        return reference

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda ref: f"{FILE_PREFIX}{ref.path}"))


def number(default: float, low: float, high: float, meaning: str) -> Any:
    """A bounded number with its default. `low` and `high` are hard limits in code: no configuration can pass them."""
    return Field(default, ge=low, le=high, description=meaning)


# ---------------------------------------------------------------- reading files


class _Document:
    """A parsed YAML file that remembers the line of every key."""

    def __init__(self, path: pathlib.Path, text: str) -> None:
        self.path = path
        self.lines: dict[tuple[str | int, ...], int] = {}
        try:
            node = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(
                [f"{path}:{line}: not YAML: {error.problem or error.context}; check indentation and quotes there"]
            ) from None
        except yaml.YAMLError as error:
            raise ConfigError([f"{path}:1: not YAML: {error}".replace("\n", " ")]) from None
        self.data = self._value(node, ()) if node is not None else {}
        if not isinstance(self.data, dict):
            raise ConfigError([f"{path}:1: the file is not a table of sections; right is `mode: sim` and so on"])

    def _value(self, node: yaml.Node, place: tuple[str | int, ...]) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > 12:
            raise ConfigError([f"{self.path}:{node.start_mark.line + 1}: nested deeper than 12 levels"])
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                line = key_node.start_mark.line + 1
                if not isinstance(key_node, yaml.ScalarNode):
                    raise ConfigError([f"{self.path}:{line}: a key must be a plain word"])
                key = key_node.value
                if key in result:
                    raise ConfigError(
                        [f"{self.path}:{line}: {'.'.join(map(str, (*place, key)))}: given twice; remove one of them"]
                    )
                self.lines[(*place, key)] = line
                result[key] = self._value(value_node, (*place, key))
            return result
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            value = yaml.SafeLoader.construct_object(yaml.SafeLoader(""), node)  # scalars only: containers are above
        except (yaml.YAMLError, ValueError):
            raise ConfigError(
                [f"{self.path}:{node.start_mark.line + 1}: {'.'.join(map(str, place))}: not a plain YAML value"]
            ) from None
        return value

    def line(self, place: tuple[str | int, ...]) -> int:
        """The line of a key, or of the nearest section around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: str | os.PathLike[str]) -> _Document:
    """Read a configuration file; what the file system says becomes a ConfigError."""
    path = pathlib.Path(path)
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise ConfigError([f"{path}: larger than {CONFIG_BYTES_MAX} bytes; is that a configuration?"])
        return _Document(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; give the path of a configuration, for example config/sim.yaml"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text"]) from None


# ---------------------------------------------------------------- checking


Model = TypeVar("Model", bound=StrictModel)


def check_document(document: _Document, model: type[Model], only: set[str] | None = None) -> Model:
    """Make `model` of the document, or raise ConfigError with one line for each problem. `only` = sections to look at."""
    data = document.data if only is None else {key: value for key, value in document.data.items() if key in only}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems: dict[str, str] = {}
        for item in error.errors(include_url=False):
            place, text = _explain(model, item)
            name = _dotted(place)
            line = f"{document.path}:{document.line(place)}: {name + ': ' if name else ''}{text}"
            if name not in problems or item["type"] == "value_error":  # of a choice of types the written reason says most
                problems[name] = line
        # of a choice of types, what is wrong inside one of them says more than that the others do not fit
        raise ConfigError([line for name, line in problems.items()
                           if not any(other.startswith(f"{name}.") for other in problems if name)]) from None


def _dotted(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else ("." if index else "") + part for index, part in enumerate(place))


def _explain(model: type[BaseModel], item: Any) -> tuple[tuple[str | int, ...], str]:
    """(place in the file, text) of one pydantic error. Follows its location through the models until it leaves the file's
    keys."""
    place: list[str | int] = []
    field: FieldInfo | None = None
    section: type[BaseModel] | None = model
    names: list[str] = list(model.model_fields)
    in_dict = is_choice = False
    for part in item["loc"]:
        if is_choice and isinstance(part, str) and part.startswith(TYPE_TAGS):
            is_choice = False
            if not part.startswith("dict["):
                break
        elif in_dict:
            place.append(part)
            in_dict = False
        elif section is not None and part in section.model_fields:
            field = section.model_fields[part]
            place.append(part)
            in_dict = _is_dict(field.annotation)
            is_choice = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
            section = _model_in(field.annotation)
            names = list(section.model_fields) if section is not None else []
        elif isinstance(part, int) or item["type"] == "extra_forbidden" and part == item["loc"][-1]:
            place.append(part)
        else:
            break
    kind = item["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), names, n=1, cutoff=0.4)
        where = ".".join(map(str, place[:-1])) or "the file"
        return tuple(place), f"unknown key; {f'did you mean {near[0]}?' if near else f'{where} knows: ' + ', '.join(names)}"
    if kind == "missing":
        return tuple(place), f"is missing; right is {_right(field)}"
    if kind == "value_error":
        return (*place, *getattr(item["ctx"]["error"], "place", ())), str(item["ctx"]["error"])
    if item["loc"] and item["loc"][-1] == "[key]":
        return tuple(place), f"unknown; {item['msg'].replace('Input should be', 'right is')}"
    value = item["input"]
    shown = "a section" if isinstance(value, dict) else "this" if "credentials" in place else repr(value)
    shown = shown if len(shown) <= ECHO_MAX else shown[:ECHO_MAX] + "..."
    return tuple(place), f"{shown} is not right; right is {_right(field)}"


def _right(field: FieldInfo | None) -> str:
    """What a field accepts, in words: type, bounds, meaning, default."""
    if field is None:
        return "a table of sections"
    text = _type_text(field.annotation)
    bounds = {name: getattr(entry, name) for entry in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(entry, name)}
    if "ge" in bounds and "le" in bounds:
        text += f" from {bounds['ge']:,} to {bounds['le']:,}".replace(",", "_")
    if field.description:
        text += f" ({field.description})"
    if not field.is_required() and isinstance(field.default, (str, int, float)):
        text += f", default {field.default}"
    return text


def _type_text(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(map(str, typing.get_args(annotation)))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_text(arg) for arg in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _type_text(typing.get_args(annotation)[0])
    if origin is list:
        return f"a list of {_type_text(typing.get_args(annotation)[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) or origin is dict:
        return "a section"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text",
            type(None): "null", SecretRef: "file:/path/to/file"}.get(annotation, str(annotation))


def _is_dict(annotation: Any) -> bool:
    return typing.get_origin(annotation) is dict or any(_is_dict(arg) for arg in typing.get_args(annotation))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for arg in typing.get_args(annotation):
        found = _model_in(arg)
        if found is not None:
            return found
    return None
