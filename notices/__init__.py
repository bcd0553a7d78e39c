"""Telling people: in-site notices of every step."""
