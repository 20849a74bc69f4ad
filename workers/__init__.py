"""Celery workers: one task is one shard, solved by the code that ``pdemill generate`` runs."""

import pdemill  # noqa: F401 - it knows the old name
