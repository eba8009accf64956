"""Certificates, and the TLS contexts made from them."""
