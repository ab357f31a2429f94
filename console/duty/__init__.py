"""Who is on call: now, in the weeks to come, and how that is changed."""
