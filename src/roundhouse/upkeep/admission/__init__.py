"""What may come in and what may be loaded: the gate that every pull passes, and the book of who agreed to what."""

from roundhouse.upkeep.admission.ahead import look_ahead
from roundhouse.upkeep.admission.book import LicenseBook
from roundhouse.upkeep.admission.gate import Admission, Gate, OpenGate
from roundhouse.upkeep.admission.refusals import license_needed, license_refused

__all__ = ["Admission", "Gate", "LicenseBook", "OpenGate", "license_needed", "license_refused", "look_ahead"]
