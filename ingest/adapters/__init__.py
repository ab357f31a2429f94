"""Other people's payloads on their way in: what each message means, given what was said before. No I/O."""
