"""Two streams with a head each and a fused one, K models at once: their shape, checkpoint, learning and measures."""
