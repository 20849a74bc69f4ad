"""From the domain of a spec, and the measures drawn for it, to the domain of walks."""

from __future__ import annotations
