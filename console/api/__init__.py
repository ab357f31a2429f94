"""The HTTP API of programs: ``/api/v1``. Read ``routes`` first; docs/api.md tells what it promises."""
