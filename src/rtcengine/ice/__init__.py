"""What is Python's of ICE: our addresses, candidates' priorities, and which of a peer's addresses are refused."""
