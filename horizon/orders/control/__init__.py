"""How other programs of this user reach the one that trades an account."""
