"""What every simulator stands on: a scripted clock, price paths, a server harness and a fault plan."""
