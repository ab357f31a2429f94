"""What a message is: topics, message types, codecs, units, and the records that travel between the stages.

Nothing in this room does I/O and nothing of ours is imported here; every other room may import it.
"""
