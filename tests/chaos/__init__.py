"""Proof that nothing acknowledged is lost: numbered messages, subscribers that keep what they get, and faults."""
