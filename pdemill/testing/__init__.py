"""For tests of parts and of what writes stores, of pdemill itself and of plug-ins.

``check_family``, ``check_field``, ``check_method`` and ``check_discretiser`` raise ``ComplianceError`` where a part is
not what it says; ``temporary_parts`` takes away what a test defined; ``MemoryDisk`` and ``FailingDisk`` are disks in
memory that lose what was not synced.
"""

from pdemill.testing.compliance import ComplianceError, check_discretiser, check_family, check_field, check_method
from pdemill.testing.disks import Crash, FailingDisk, MemoryDisk
from pdemill.testing.parts import temporary_parts

__all__ = [
    "ComplianceError", "Crash", "FailingDisk", "MemoryDisk", "check_discretiser", "check_family", "check_field",
    "check_method", "temporary_parts",
]  # fmt: skip
