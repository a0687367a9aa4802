"""The JSON Schema of a space's file, by which editors complete and check it: from the classes that read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pitprop.space.distributions import KINDS
from pitprop.space.sampling import options, words
from pitprop.space.schema.document import REF, Document, signature_rows
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

FILE = "space.schema.json"
"""The JSON Schema's name beside the spaces that ship; `pitprop schema` writes it."""


class _Editors(GenerateJsonSchema):
    """Without a title for each field, which editors would show in place of its description."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a space's file. What only the trainer knows, such as its parameters, it lets pass."""
    methods = [options(kind, name) for kind in ("sampler", "pruner", "scheduler") for name in words(kind)]
    rows: Iterable[Any] = (Document, *KINDS.values(), signature_rows(), *methods)
    _, found = models_json_schema([(row, "validation") for row in rows], schema_generator=_Editors)
    defs = json.loads(json.dumps(found["$defs"]).replace(f'"{REF}"', '"$ref"'))
    whole = defs.pop("Document")
    whole["patternProperties"] = {"^x-": {"description": "Not read: a place for anchors that are used elsewhere."}}
    for one in (whole, *defs.values()):
        one.pop("title", None)
        one["description"] = " ".join(one.get("description", "").split())
        for field in one["properties"].values():
            if field.get("default", 0) in (None, ""):
                del field["default"]
    ways = {name: defs[row.__name__]["description"] for name, row in KINDS.items()}
    defs |= {
        "Signatures": {"anyOf": [defs["Signatures"], {"enum": ["off", False]}]},
        "Sampler": _method("sampler"),
        "Pruner": _method("pruner"),
        "Scheduler": _method("scheduler"),
        "Distribution": {"type": "object", "oneOf": [_at(row.__name__) for row in KINDS.values()]},
        "Parameters": {"type": "object", "additionalProperties": _at("Parameter")},
        "Parameter": {
            "if": {"type": "object", "anyOf": [{"required": [name]} for name in ways]},
            "then": _at("Distribution"),
            "else": {  # a group or a constant; the properties are there for editors to offer
                "properties": {name: {"description": text} for name, text in ways.items()},
                "additionalProperties": _at("Parameter"),
            },
        },
    }
    whole["oneOf"] = [{"required": ["objective"]}, {"required": ["objectives"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A pitprop space", **whole, "$defs": defs}


def _at(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _method(kind: str) -> dict[str, Any]:
    """The schema of a sampler, pruner or scheduler: a word, or one word with its options."""
    own = {name: options(kind, name) for name in words(kind)}
    alone = [name for name, row in own.items() if not any(field.is_required() for field in row.model_fields.values())]
    rest = {name: {"anyOf": [_at(row.__name__), {"type": "null"}]} for name, row in own.items()}
    one = {"type": "object", "properties": rest, "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return {"anyOf": [{"enum": [*alone, None, *([False] if kind == "pruner" else [])]}, one]}
