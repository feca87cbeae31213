"""What is done with blobs whose bytes are wrong."""

from roundhouse.library.infirmary.ward import Finding, Infirmary, read_peer

__all__ = ["Finding", "Infirmary", "read_peer"]
