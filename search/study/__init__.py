"""The durable study: trials in a database, with one owner, and what they say."""
