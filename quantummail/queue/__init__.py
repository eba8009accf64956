"""Mail that was accepted and is not delivered yet: when it is tried, how much at once, and what is told about it."""
