"""Families and presets, as API and pages show them."""

from __future__ import annotations

import inspect

from pdemill.service.views import PREFIX, Family, Preset
from pdemill.spec.load import preset_names, preset_text
from pdemill.spec.problem import families


def family_views() -> list[Family]:
    """Every family with its equation."""
    return [
        Family(
            family=name,
            summary=(inspect.getdoc(family) or "").partition("\n")[0],
            schema_url=f"{PREFIX}/problems/{name}/schema",
        )
        for name, family in families.items()
    ]


def preset_views() -> list[Preset]:
    """Every preset with what it reproduces."""
    return [
        Preset(
            preset=name,
            summary=preset_text(name).partition("\n")[0].removeprefix("# "),
            url=f"{PREFIX}/presets/{name}",
        )
        for name in preset_names()
    ]
