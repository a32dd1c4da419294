"""Where market data comes from: venues polled or streamed, recordings, synthetic prices."""

__all__: list[str] = []
