"""The quarantine: messages that could not be taken, why, and back in after a fix. Read ``routes`` first."""
