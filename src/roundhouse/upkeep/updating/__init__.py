"""Whether models have a newer revision upstream, and how to get it."""

from roundhouse.upkeep.updating.following import Course, course_of
from roundhouse.upkeep.updating.updates import Outlook, Updates

__all__ = ["Course", "Outlook", "Updates", "course_of"]
