"""Keeps the connectors running, and is unhealthy while events or bills wait."""
