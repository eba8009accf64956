"""Who somebody is: passwords, SASL and logins."""
