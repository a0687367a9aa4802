"""What the service keeps: its tables, searches, events and tokens."""
