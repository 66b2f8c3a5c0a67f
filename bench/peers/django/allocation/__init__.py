"""Allocation as a Django app does it: campaigns in memory, a scan for every request."""
