"""Fresh certified samples for training without a store, in an order that can be gone on with."""

from pdemill.streaming.stream import Stream

__all__ = ["Stream"]
