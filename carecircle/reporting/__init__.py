"""How soon people answered and stood at the door: counted, rated, shown. Pure, but for the command that calls it."""

from carecircle.reporting.build import Report, build
from carecircle.reporting.page import page
from carecircle.reporting.rating import Rating, rate
from carecircle.reporting.table import rows, write_csv

__all__ = ["Rating", "Report", "build", "page", "rate", "rows", "write_csv"]
