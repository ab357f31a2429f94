"""Administration: the registry row by row and by files, policies, silences, users, and who did what. Read ``routes``
first."""
