"""Ray itself: joined or started, its nodes, and what travels to them."""
