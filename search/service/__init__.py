"""Searches as a service: a queue of searches in the studies' database, a driver process for each, and an HTTP API over both.

`models` are the requests and answers, and `http` the API over them. `store` is the truth, in the tables of `tables`, and
`lifecycle` what an owner may do with a search. `catalogue` is what the operator allows, `submission` what of that was asked for.
`queue` says whose turn it is, and `supervisor` acts on it with `drivers`. `reading` says what a search's study says, `tokens`
who may ask, and `places` where files are.
"""
