"""Writes the JSON Schema of spaces that ships anew: python docs/build_schema.py"""

from __future__ import annotations

import json

from pitprop import space as spaces
from pitprop.space.schema.editors import FILE
from pitprop.space.schema.yaml_text import FOLDER

if __name__ == "__main__":
    text = json.dumps(spaces.json_schema(), indent=1, ensure_ascii=False)
    (FOLDER / FILE).write_text(f"{text}\n", encoding="utf-8")
