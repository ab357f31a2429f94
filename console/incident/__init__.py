"""What the page of an incident shows beside the incident itself: the person, who could help, and what was measured."""
