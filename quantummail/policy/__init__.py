"""What is checked before mail or a connection is accepted."""
