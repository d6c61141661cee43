"""Readable transcripts of small clusters; `python -m tests.scenarios --rewrite` writes them anew."""
