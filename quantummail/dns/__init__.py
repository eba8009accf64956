"""Questions to the domain name system: a caching stub resolver, and what mail asks of it."""
