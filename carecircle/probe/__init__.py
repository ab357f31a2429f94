"""Who watches the watcher: a synthetic SOS through the whole system, a heartbeat to the outside, and pages to the
operator on a way that is not this system's own."""
