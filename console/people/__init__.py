"""People: the list that is searched, and the page of one person. Read ``routes`` first; docs/console.md tells what they
promise."""
