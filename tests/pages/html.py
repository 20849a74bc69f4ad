"""A look at HTML: what browsers forgive and readers suffer from."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br", "hr", "source", "line", "rect", "path", "circle"}
CONTROLS = {"input", "select", "textarea"}

type Attributes = dict[str, str | None]


@dataclass
class Reader(HTMLParser):
    """Reads a document; ``faults`` says what is wrong with it."""

    faults: list[str] = field(default_factory=list)
    tags: list[tuple[str, Attributes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.faults += [f"{tag} has {name}, which the policy forbids" for name in found if name.startswith("on")]
        if "style" in found:
            self.faults.append(f"{tag} has a style, which the policy forbids")
        if len(found) < len(attrs):
            self.faults.append(f"{tag} has an attribute twice")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"{tag} is closed but was not the last one opened")

    def close(self) -> None:
        super().close()
        self.faults += [f"{tag} is never closed" for tag in self._open]

    def all(self, *names: str) -> list[Attributes]:
        return [found for tag, found in self.tags if tag in names]


def faults(text: str) -> list[str]:
    """What is wrong with a page."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    found = reader.faults
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    found += [f"the id {one} stands {ids.count(one)} times" for one in set(ids) if ids.count(one) > 1]
    found += [f"{n} {tag} instead of one" for tag in ("h1", "main") if (n := len(reader.all(tag))) != 1]
    if text.partition("<body")[0].count("<title>") != 1:
        found.append("the page has no title")
    labelled = {a["for"] for a in reader.all("label") if "for" in a}
    found += [f"the label for {one} labels nothing" for one in labelled if one not in ids]
    for control in reader.all(*CONTROLS):
        if control.get("type") != "hidden" and control.get("id") not in labelled and "aria-label" not in control:
            found.append(f"{control.get('name')} has no label")
    found += ["an image has no text" for image in reader.all("img") if not image.get("alt")]
    for _, attributes in reader.tags:
        for name in ("href", "src", "srcset", "action"):
            if "//" in (attributes.get(name) or ""):
                found.append(f"{attributes[name]} is elsewhere")
        for name in ("aria-labelledby", "aria-describedby"):
            if name in attributes and attributes[name] not in ids:
                found.append(f"{name} points at {attributes[name]}, which is not there")
    found += ["a script is not a file" for script in reader.all("script") if "src" not in script]
    return found
