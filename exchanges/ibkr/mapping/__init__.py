"""From what Interactive Brokers sends to the vocabulary: one file per family, no network, no state."""
