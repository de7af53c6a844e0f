"""Transfers: files to and from devices, and what is in their folders, each action under a sealed order of its own.

Owns nothing on disk: what is not whole yet lies on the device. May be called by ``api`` and ``app``. Reaches a device
by ``lines.Way`` alone; each transfer is a stay, on record with path, size and account. Nothing of a file is held in
memory but the piece that goes by.
"""

from borealis_engine.transfers.models import (
    Asker,
    Folder,
    FolderEntry,
    ReadAsked,
    TransferRow,
    UploadStand,
    WhereAsked,
    WriteAsked,
)
from borealis_engine.transfers.reading import Reading
from borealis_engine.transfers.service import STAYS, TransferService
from borealis_engine.transfers.writing import Writing

__all__ = [
    "STAYS",
    "Asker",
    "Folder",
    "FolderEntry",
    "ReadAsked",
    "Reading",
    "TransferRow",
    "TransferService",
    "UploadStand",
    "WhereAsked",
    "WriteAsked",
    "Writing",
]
