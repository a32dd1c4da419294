"""Orders: their life cycle, the desk that holds their state, the journal, and the service that carries them out."""
