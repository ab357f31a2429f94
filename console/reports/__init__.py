"""Reports: how soon somebody answered and stood at the door, for a period and the reader's areas. Read ``routes``
first; docs/reports.md tells how it is counted."""
