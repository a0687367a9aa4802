"""The service from outside: a client in Python, and one for assistants."""
