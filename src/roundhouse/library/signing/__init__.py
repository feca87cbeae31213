"""Detached signatures of models, as OpenSSF model signing writes them: a `model.sig` beside the files."""

from roundhouse.library.signing.seals import SIGNATURE, Mode, Seal, Seals

__all__ = ["SIGNATURE", "Mode", "Seal", "Seals"]
