"""``carecircle demo``: broker, five roles, a district of forty people and their responders in one process tree."""
