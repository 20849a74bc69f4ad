"""Copies of finished stores in the formats of other libraries, certified samples only."""

from pdemill.exports.export import Exported, export

__all__ = ["Exported", "export"]
