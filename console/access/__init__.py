"""Who may see and do what in the console: users, sessions, second factor, API tokens, the rules, and the audit of it.

Read ``rules`` first, then ``gate``; docs/console-access.md says what is promised and how a page uses it.
"""
