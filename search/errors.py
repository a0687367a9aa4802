"""What a user can mend."""


class UserError(Exception):
    """Wrong input, or a world that does not play along: the text is one sentence that says what, and what to do."""
