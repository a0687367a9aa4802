"""Spaces: what to search, written in YAML, checked as a whole before anything runs.

`load` reads a space by name, by path, or from a mapping, and gives a `Space`: everything that a search needs to know. A `Leaf`
is a searched parameter, with its values. `meaning` says what a trial's value depends on, and `difference` what two
meanings disagree on. `yaml_text` finds and parses the file, `schema` holds its sections and gives the JSON Schema for editors,
`kinds` the values in them, `checks` what depends on more than one value; `params`, `distributions`, `planning`, `sampling` and
`constraints` each read one part; `model` is the result.
"""

from pitprop.space.checks import load
from pitprop.space.constraints import Constraint
from pitprop.space.distributions import Choices, Leaf
from pitprop.space.meaning import difference, meaning
from pitprop.space.model import Baseline, SignatureChoice, Space
from pitprop.space.params import nested
from pitprop.space.sampling import HELD, Method
from pitprop.space.schema.document import STAGNATION, Confirm, Gate, Objective, Relative
from pitprop.space.schema.editors import json_schema
from pitprop.space.schema.kinds import SpaceError
from pitprop.space.schema.resources import Resources, Workers
from pitprop.space.schema.yaml_text import find, names, summary

__all__ = [
    "HELD",
    "STAGNATION",
    "Baseline",
    "Choices",
    "Confirm",
    "Constraint",
    "Gate",
    "Leaf",
    "Method",
    "Objective",
    "Relative",
    "Resources",
    "SignatureChoice",
    "Space",
    "SpaceError",
    "Workers",
    "difference",
    "find",
    "json_schema",
    "load",
    "meaning",
    "names",
    "nested",
    "summary",
]
