"""Devices: the list of all, and the page of one. Read ``routes`` first; docs/console.md tells what they promise."""
