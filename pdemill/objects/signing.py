"""Links to objects that last for a time, for those who have no key of the bucket."""

from __future__ import annotations

from datetime import timedelta

from pdemill.objects.opening import opened


def signed(address: str, name: str, seconds: int) -> str:
    """An address by which anybody can get the object ``name`` below an address for so long, a week at most. Nobody is
    asked for it, and the object need not be there. Raises StoreError where the bucket cannot be opened."""
    import obstore  # late: an extra

    return str(obstore.sign(opened(address), "GET", name, timedelta(seconds=seconds)))
