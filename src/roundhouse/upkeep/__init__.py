"""Getting models here and keeping them well: a pull from the first word to the registered model."""

from roundhouse.upkeep.progress import Progress
from roundhouse.upkeep.pull import Pulls, PullSettings
from roundhouse.upkeep.repair import Repairs
from roundhouse.upkeep.space import Preview

__all__ = ["Preview", "Progress", "PullSettings", "Pulls", "Repairs"]
