"""The spec of a dataset job: one model, read from YAML, JSON, a dictionary or a preset."""

from pdemill.spec.job import Spec
from pdemill.spec.load import load_preset, load_spec, preset_names, preset_text, validate
from pdemill.spec.schema import family_schema, spec_schema

__all__ = [
    "Spec",
    "family_schema",
    "load_preset",
    "load_spec",
    "preset_names",
    "preset_text",
    "spec_schema",
    "validate",
]
