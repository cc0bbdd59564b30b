"""The fixture `browser` is the session's: see conftest.py at the top."""
