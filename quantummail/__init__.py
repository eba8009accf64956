"""QuantumMail: a complete private mail server."""
