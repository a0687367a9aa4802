"""The page over the same functions as the API: plain HTML forms, which htmx keeps up to date where scripts run.

`routes` has its addresses, `visit` who looks and in which language, `live` what a search shows, `lines` where a space is wrong.
"""
