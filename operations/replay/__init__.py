"""Sending events again: the one sender that every verb uses."""
