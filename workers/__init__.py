"""Celery workers: one task is one shard, solved by the code that ``pdemill generate`` runs."""
