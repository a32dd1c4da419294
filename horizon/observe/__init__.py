"""What a person hears of a running program."""
