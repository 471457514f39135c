"""Engines keep publications and announce them; all pass tests/contract/test_engine.py."""
