"""One module a page: what it reads, and what can be done on it."""
