"""A form made from JSON Schema. Its fields are named by JSON pointers, so that faults find their field."""
