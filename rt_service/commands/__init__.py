"""The commands besides serving, a module each. Those for a running service talk to it as any client would."""
