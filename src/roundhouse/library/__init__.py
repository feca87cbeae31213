"""The models we hold: content-addressed blobs, folders ready to load, their registry and their integrity."""

from roundhouse.library.blobs import Blobs
from roundhouse.library.formats import Facts
from roundhouse.library.gguf import GgufHeader, read_header
from roundhouse.library.integrity import FileReport, VerifyReport
from roundhouse.library.library import Library

__all__ = ["Blobs", "Facts", "FileReport", "GgufHeader", "Library", "VerifyReport", "read_header"]
