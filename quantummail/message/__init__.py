"""Values of mail: addresses, headers, MIME structure. Standard library only."""
