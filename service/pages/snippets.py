"""How to use a finished store, as text to copy."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

_HEADERS = """, storage_options={
    "headers": {"Authorization": "Bearer " + os.environ["PDEMILL_API_KEY"]},
}"""


@dataclass(frozen=True)
class Snippet:
    """A text with a name and what it needs."""

    name: str
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
        f'{imports}\n\ngroup = zarr.open_group("{url}", mode="r"{_HEADERS if keyed else ""})\n'
        f'print(group["{split}/solution"].shape)\n'
    )
    return [
        Snippet("Python", "pdemill, on a machine that sees the folder", dedent(python)),
        Snippet("PyTorch", "pdemill and torch, on a machine that sees the folder", dedent(torch)),
        Snippet("zarr", "zarr, fsspec and aiohttp, on any machine", over_http),
        Snippet("Export", "pdemill, on any machine; or pdebench, well", f"pdemill export {url} OUT --to pt\n"),
        Snippet("curl", "the store's description; every file is beside it", f"curl -s{secret} {url}/zarr.json\n"),
    ]
