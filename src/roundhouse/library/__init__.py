"""The models we hold: content-addressed blobs, folders ready to load, their registry and their integrity."""

from roundhouse.library.blobs import Blobs
from roundhouse.library.gguf import GgufHeader, read_header
from roundhouse.library.library import FileReport, Library, VerifyReport

__all__ = ["Blobs", "FileReport", "GgufHeader", "Library", "VerifyReport", "read_header"]
