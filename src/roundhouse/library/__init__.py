"""The models we hold: content-addressed blobs, folders ready to load, their registry and their integrity."""

from roundhouse.library.blobs import Blobs
from roundhouse.library.gguf import GgufHeader, read_header
from roundhouse.library.integrity import FileReport, VerifyReport
from roundhouse.library.library import Library

__all__ = ["Blobs", "FileReport", "GgufHeader", "Library", "VerifyReport", "read_header"]
