"""Files in: Sierra Chart's Trade Activity Log, fills of our own export, and the state files of an older program."""

from dtcpos.importers.files import Import, found_older_files, import_files, import_offer
from dtcpos.importers.report import Difference, ImportRefused, Report
from dtcpos.importers.scaling import Scales

__all__ = [
    "Difference",
    "Import",
    "ImportRefused",
    "Report",
    "Scales",
    "found_older_files",
    "import_files",
    "import_offer",
]
