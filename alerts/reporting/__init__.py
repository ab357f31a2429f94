"""How soon people answered and stood at the door: counted, rated, shown. Pure, but for the command that calls it."""

from alerts.reporting.build import Report, build
from alerts.reporting.page import page
from alerts.reporting.rating import Rating, rate
from alerts.reporting.table import rows, write_csv

__all__ = ["Rating", "Report", "build", "page", "rate", "rows", "write_csv"]
