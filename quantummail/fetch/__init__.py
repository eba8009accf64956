"""Requests to web servers that somebody else has named: policies of domains, webhooks. Never into our own networks."""
