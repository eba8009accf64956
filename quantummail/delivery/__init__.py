"""One recipient to one destination."""
