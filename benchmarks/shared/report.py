"""Tables that are printed as they grow, and kept as Markdown, JSON and PNG."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from matplotlib.figure import Figure

from benchmarks.shared.machine import machine, versions
from benchmarks.shared.race import RULE

type Cell = str | float | int | None


def shown(cell: Cell) -> str:
    """A cell as people read it: three digits, nothing for what was not measured."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float):
        return f"{float(f'{cell:.3g}'):,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


@dataclass
class Table:
    """Rows under columns; every row is printed when it is added."""

    title: str
    columns: tuple[str, ...]
    note: str = ""
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """One more row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.title} has {len(self.columns)} columns, and the row {len(cells)} cells")
        if not self.rows:
            print("\n".join(self._head()))
        self.rows.append(cells)
        print(self._line(cells), flush=True)

    def markdown(self) -> str:
        return "\n".join([*self._head(), *map(self._line, self.rows)]) + "\n"

    def _head(self) -> list[str]:
        text = [f"\n### {self.title}\n", *([f"{self.note}\n"] if self.note else [])]
        return [*text, f"| {' | '.join(self.columns)} |", f"|{'---|' * len(self.columns)}"]

    def _line(self, cells: tuple[Cell, ...]) -> str:
        return f"| {' | '.join(map(shown, cells))} |"


class Report:
    """The results of one run of a benchmark; as a context it is written at the end, also at an early one.

    ``out``: the folder of ``NAME.md``, ``NAME.json`` and ``NAME-FIGURE.png``; None keeps nothing. ``records`` are the
    single measurements behind the tables, for programs.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any], out: Path | None, rule: str = RULE) -> None:
        self.name, self.parameters, self.out, self.rule = name, dict(parameters), out, rule
        self.tables: list[Table] = []
        self.records: list[dict[str, Any]] = []
        self._figures: dict[str, Figure] = {}
        self._begin = datetime.now(UTC)
        self._machine = machine()

    def table(self, title: str, *columns: str, note: str = "") -> Table:
        """A new table."""
        self.tables.append(Table(title, columns, note))
        return self.tables[-1]

    def figure(self, name: str, figure: Figure) -> None:
        """A figure to be written with the tables."""
        self._figures[f"{self.name}-{name}.png"] = figure

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.out is not None:
            self._write(self.out, complete=kind is None)

    def _write(self, out: Path, complete: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for name, figure in self._figures.items():
            figure.savefig(out / name, dpi=120)
        facts = {
            "benchmark": self.name,
            "date": self._begin.isoformat(timespec="seconds"),
            "complete": complete,
            "machine": self._machine,
            "versions": versions(),
            "parameters": self.parameters,
            "rule": self.rule,
        }
        kept = {**facts, "tables": [asdict(table) for table in self.tables], "records": self.records}
        figures = {"figures": list(self._figures)}
        text = json.dumps(_finite({**kept, **figures}), indent=1, ensure_ascii=False, allow_nan=False)
        (out / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")
        (out / f"{self.name}.md").write_text(self._markdown(facts), encoding="utf-8")

    def _markdown(self, facts: Mapping[str, Any]) -> str:
        where, made = facts["machine"], facts["versions"]
        head = [
            f"# {self.name}\n",
            f"{facts['date']}{'' if facts['complete'] else ' (ended early)'}: {where['cpu']}, {where['cores']} cores, "
            f"{where['system']}, load {where.get('load', 'unknown')} at the start.\n",
            f"{', '.join(f'{name} {number}' for name, number in made.items())}.\n",
            f"Parameters: {', '.join(f'{name} {value}' for name, value in self.parameters.items())}.\n",
            f"{self.rule}\n",
        ]
        tables = [table.markdown() for table in self.tables]
        return "\n".join([*head, *tables, *(f"![{name}]({name})\n" for name in self._figures)])


def _finite(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def arguments(text: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that every table has."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write Markdown, JSON and figures to this folder")
    parser.add_argument("--quick", action="store_true", help="a small part of it, in seconds; its figures mean little")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"repetitions of every measurement ({rounds})")
    return parser
