"""The web console: the live board, incident pages, and what acknowledgement links lead to.

Read ``app`` first; docs/console.md says what is promised. Serve it with :mod:`console.server`.
"""
