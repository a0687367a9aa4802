"""Tells people outside how a search went: by webhook, by e-mail, or by ntfy.

`targets` are where they go, `outbox` keeps them until they are sent, `outside` connects to no address of ours, `sending` sends.
"""
