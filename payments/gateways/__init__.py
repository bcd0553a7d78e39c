"""Channels' protocols, each in one file. They return outcomes; they write nothing and know no Django."""
