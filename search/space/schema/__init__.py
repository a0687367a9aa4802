"""What a space's file may hold, and how it is read: as YAML, by kinds of values, into sections, and as a JSON Schema."""
