"""What the server says yes to: one readable story for each way in."""
