"""From the bytes of one chunk to one sample: checked, and decoded straight into its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.zstd import decompress
from numpy.typing import NDArray

type Decoder = Callable[[bytes | memoryview, NDArray[Any]], None]


class Damaged(Exception):
    """Bytes that are not what was written; the text says what is wrong with them."""


def check_crc32c(data: bytes) -> bytes:
    """The bytes before the checksum at the end of ``data`` (CRC-32C, little endian). Raises Damaged."""
    content = data[:-4]
    if google_crc32c.value(content) != int.from_bytes(data[-4:], "little"):
        raise Damaged("does not match its checksum")
    return content


def decode_zstd(chunk: bytes | memoryview, row: NDArray[Any]) -> None:
    """Fill ``row`` from one zstd frame with a checksum. Raises Damaged."""
    if _declared(chunk) != row.nbytes:
        raise Damaged(f"is not one zstd frame of {row.nbytes} bytes with a checksum")
    try:
        decompress(chunk, row)
    except (RuntimeError, ValueError) as error:
        raise Damaged(f"cannot be decoded ({error})") from None


def decode_crc32c(chunk: bytes | memoryview, row: NDArray[Any]) -> None:
    """Fill ``row`` from plain values with a CRC-32C behind them. Raises Damaged."""
    content = check_crc32c(bytes(chunk))
    if len(content) != row.nbytes:
        raise Damaged(f"holds {len(content)} bytes instead of {row.nbytes}")
    row[...] = np.frombuffer(content, row.dtype).reshape(row.shape)


DECODERS: Mapping[str, Decoder] = {"zstd": decode_zstd, "crc32c": decode_crc32c}
"""By the name of the codec that comes after ``bytes`` in the array's metadata."""


def _declared(frame: bytes | memoryview) -> int:
    """The decoded size that a zstd frame declares; -1 where the header is not one that a store has.

    Source: RFC 8878, section 3.1.1.1. A frame that declares neither checksum nor size, or a dictionary, or sets a bit
    that has no meaning, was not written by pdemill.
    """
    if len(frame) < 10 or frame[:4] != b"\x28\xb5\x2f\xfd" or frame[4] & 0b0001_1111 != 0b0000_0100:
        return -1
    single = frame[4] >> 5 & 1
    width = (single, 2, 4, 8)[frame[4] >> 6]
    start = 6 - single
    size = int.from_bytes(frame[start : start + width], "little") + (256 if width == 2 else 0)
    return size if width else -1
