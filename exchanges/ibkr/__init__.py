"""Interactive Brokers, through the Client Portal Web API."""
