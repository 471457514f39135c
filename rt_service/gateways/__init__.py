"""The ways in. A gateway parses, calls one verb of the api and writes the answer; siblings never import each other."""
