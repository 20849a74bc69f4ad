"""How to use a finished store, as text to copy. No text holds a key: they take it from PDEMILL_API_KEY."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

_HEADERS = """, storage_options={
    "headers": {"Authorization": "Bearer " + os.environ["PDEMILL_API_KEY"]},
}"""


@dataclass(frozen=True)
class Snippet:
    """A text with its name in the API, its title on pages, and what it needs."""

    name: str
    title: str
    needs: str
    text: str


def snippets(path: str, url: str, split: str, keyed: bool) -> list[Snippet]:
    """How to read a split of the store at ``path`` on this machine, or at ``url`` from afar, and how to export it."""
    imports = "import os\n\nimport zarr" if keyed else "import zarr"
    secret = ' -H "Authorization: Bearer $PDEMILL_API_KEY"' if keyed else ""
    opened = f"data = pdemill.open({path!r}, split={split!r})"
    python = f"""\
        import pdemill

        {opened}
        print(len(data), data[0]["x"].shape, data[0]["y"].shape)
        """
    torch = f"""\
        import pdemill
        from torch.utils.data import DataLoader

        {opened}
        for batch in DataLoader(data, batch_size=32, shuffle=True, num_workers=2):
            x, y = batch["x"], batch["y"]
        """
    over_http = (
        f'{imports}\n\ngroup = zarr.open_group({url!r}, mode="r"{_HEADERS if keyed else ""})\n'
        f'print(group["{split}/solution"].shape)\n'
    )
    here, there = "on a machine that sees the folder", "on any machine"
    return [
        Snippet("pdemill", "Python", f"pdemill, {here}", dedent(python)),
        Snippet("torch", "PyTorch", f"pdemill and torch, {here}", dedent(torch)),
        Snippet("zarr", "zarr", f"zarr, fsspec and aiohttp, {there}", over_http),
        Snippet("export", "Export", f"pdemill, {there}", f"pdemill export {url} OUT --to pt  # or pdebench, well\n"),
        Snippet(
            "curl", "curl", "the store's description; every file is beside it", f"curl -s{secret} {url}/zarr.json\n"
        ),
    ]
