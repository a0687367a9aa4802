"""Commands that run the service, and commands that ask one."""
